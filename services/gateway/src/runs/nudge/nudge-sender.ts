import { Inject, Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { newUlid } from '../../http/new-ulid.ts';
import type { Principal } from '../../auth/principal.ts';
import { ShortMemory } from '../../broker/short-memory.ts';
import { RequestRate } from '../../limits/request-rate.ts';
import { Problem } from '../../problem/problem.ts';
import { RunControl } from '../control/run-control.ts';

export const NUDGES_PER_MINUTE = 10;
const REMEMBERED = { ms: 10 * 60_000, most: 10_000 };

export interface NudgeAnswer {
  nudge_id: string;
  seq: number;
}

/**
 * Messages to running runs, at most ten a minute to each.
 *
 * They are counted by this process, as the requests of a credential are: with n gateways up to n times as many get
 * through. A count from the log would hold across gateways, and would read a minute of a run that may write hundreds of
 * events a second for every nudge; the limit is there against floods, not for accounting.
 */
@Injectable()
export class NudgeSender {
  readonly #rate = new RequestRate();
  readonly #sent = new ShortMemory<NudgeAnswer>(REMEMBERED);

  constructor(@Inject(RunControl) private readonly control: RunControl) {}

  /**
   * With an idempotency key a repeat of the same message is the same nudge: here for ten minutes, and anywhere until the
   * run has acknowledged it. Throws `too_many_nudges`, `run_already_ended`, `run_stopping`.
   */
  send(caller: Principal, runId: string, message: string, key: string | undefined): Promise<NudgeAnswer> {
    if (key === undefined) return this.#send(caller, runId, message, newUlid());
    const nudge_id = createHash('sha256')
      .update(JSON.stringify([caller.tenant_id, caller.user_id, runId, key, message]))
      .digest('hex')
      .slice(0, 32);
    // By credential, so that what is remembered is never answered to one that may not.
    return this.#sent.get(`${caller.key_id} ${nudge_id}`, () => this.#send(caller, runId, message, nudge_id));
  }

  async #send(caller: Principal, runId: string, message: string, nudge_id: string): Promise<NudgeAnswer> {
    const { seq } = await this.control.give(caller, runId, (by) => {
      this.#refuseTooMany(runId);
      return { type: 'SendNudge', nudge_id, by, message };
    });
    return { nudge_id, seq };
  }

  #refuseTooMany(runId: string): void {
    const retryAfterS = this.#rate.take(runId, NUDGES_PER_MINUTE);
    if (retryAfterS === undefined) return;
    throw new Problem('too_many_nudges', `A run takes ${NUDGES_PER_MINUTE} nudges a minute.`, {
      retryAfterS,
    });
  }
}
