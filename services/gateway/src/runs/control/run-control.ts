import { Inject, Injectable } from '@nestjs/common';
import type { Actor, Command, Json, Run } from '@runledger/run';
import type { RunAddress, RunLog } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { MAX_INLINE_VALUE_BYTES } from '@runledger/wire';
import { z } from 'zod';
import type { Principal } from '../../auth/principal.ts';
import { problemFromRefusal } from '../../problem/from-refusal.ts';
import { RunAccess } from '../load-run-for.ts';

/** `seq` is that of the run's last event: what was asked for is on disk at or before it. */
export const ControlAnswer = z.object({ run_id: z.string(), status: z.string(), seq: z.int() });
export type ControlAnswer = z.infer<typeof ControlAnswer>;

/** Commands of people for runs that they may control. A 2xx is answered when the events are on disk, or were before. */
@Injectable()
export class RunControl {
  readonly #runLog: RunLog;

  constructor(
    @Inject(SERVICE_CONTEXT) context: ServiceContext,
    @Inject(RunAccess) private readonly access: RunAccess,
  ) {
    this.#runLog = context.runLog;
  }

  /** Throws the refusal as a problem, and what `loadRunFor` throws. */
  async give(
    caller: Principal,
    runId: string,
    command: (by: Actor, address: RunAddress) => Command | Promise<Command>,
  ): Promise<ControlAnswer> {
    const { address } = await this.access.loadRunFor(caller, runId, 'control');
    const given = await command({ user_id: caller.user_id, channel: caller.channel }, address);
    return answerOf(await this.#execute(address, given));
  }

  /** A value as an event keeps it: large ones by reference. */
  async inlineOrBlob(address: RunAddress, value: Json): Promise<Json> {
    const text = JSON.stringify(value);
    if (Buffer.byteLength(text) <= MAX_INLINE_VALUE_BYTES) return value;
    return { ...(await this.#runLog.putBlob(address, text)) };
  }

  async #execute(address: RunAddress, command: Command): Promise<Run> {
    const done = await this.#runLog.execute(address, () => command);
    if (done.refusal) throw problemFromRefusal(done.refusal);
    return done.run;
  }
}

const answerOf = ({ run_id, status, seq }: Run): ControlAnswer => ({ run_id, status, seq });
