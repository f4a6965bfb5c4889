import { Inject, Injectable } from '@nestjs/common';
import type { RunAddress } from '@runledger/run-log';
import type { Principal } from '../auth/principal.ts';
import { reservationKey } from '../idempotency/idempotency-key.ts';
import { Reservations } from '../idempotency/reservations.ts';
import { RunAccess } from '../runs/load-run-for.ts';
import { RunStarter } from '../runs/start/run-starter.ts';
import type { AgUiCursor } from './ag-ui-cursor.ts';
import { InterruptAnswers } from './interrupt-answers.ts';
import { keyOf, type RunAgentInput, startOf } from './run-agent-input.ts';

/** Which run answers a call, and from where its stream goes on. */
export interface Place {
  address: RunAddress;
  after: AgUiCursor;
  replayed: boolean;
}

/** The run that a RunAgentInput means: a new one, the one that it started before, or the one whose interrupts it answers. */
@Injectable()
export class AgUiRuns {
  constructor(
    @Inject(RunStarter) private readonly starter: RunStarter,
    @Inject(Reservations) private readonly reservations: Reservations,
    @Inject(RunAccess) private readonly access: RunAccess,
    @Inject(InterruptAnswers) private readonly answers: InterruptAnswers,
  ) {}

  async placeOf(
    caller: Principal,
    agent_id: string,
    input: RunAgentInput,
    cursor: AgUiCursor | undefined,
  ): Promise<Place> {
    if (input.resume !== undefined && input.resume.length > 0) {
      const { address, after } = await this.answers.give(caller, agent_id, input);
      return { address, after: cursor ?? after, replayed: false };
    }
    const begun = cursor && (await this.#begun(caller, input));
    if (cursor && begun) return { address: begun, after: cursor, replayed: true };
    const { address, replayed } = await this.starter.start(caller, startOf(agent_id, input), keyOf(input));
    return { address, after: cursor ?? { seq: 0 }, replayed };
  }

  /** Who goes on reading has added what it read to its messages: only the `runId` is still the same. */
  async #begun(caller: Principal, input: RunAgentInput): Promise<RunAddress | undefined> {
    const earlier = await this.reservations.lookUp(reservationKey(caller, keyOf(input)));
    if (!earlier) return undefined;
    return (await this.access.loadRunFor(caller, earlier.run_id, 'read')).address;
  }
}
