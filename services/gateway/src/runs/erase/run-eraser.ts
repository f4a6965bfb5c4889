import { Inject, Injectable } from '@nestjs/common';
import { RunErased, type RunAddress, type RunLog } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { decodeEvent, tombstoneFor, type Tombstone } from '@runledger/wire';
import type { Principal } from '../../auth/principal.ts';
import { Problem } from '../../problem/problem.ts';
import { notFound, RunAccess } from '../load-run-for.ts';
import { Tombstones } from './tombstones.ts';

export interface EraseAnswer {
  run_id: string;
  /** `erasing` until its bytes are gone. */
  status: 'erasing' | 'erased';
  requested_at: string;
  erased_at: string | null;
}

/** Takes a run out of everybody's sight by its tombstone; the reconciler takes its bytes away. */
@Injectable()
export class RunEraser {
  readonly #runLog: RunLog;

  constructor(
    @Inject(SERVICE_CONTEXT) context: ServiceContext,
    @Inject(RunAccess) private readonly access: RunAccess,
    @Inject(Tombstones) private readonly tombstones: Tombstones,
  ) {
    this.#runLog = context.runLog;
  }

  /** A repeat changes nothing and answers how far it is. Throws `run_not_ended`. */
  async erase(caller: Principal, runId: string): Promise<EraseAnswer> {
    const { address, tombstone } = await this.access.findRunFor(caller, runId, 'control');
    const { requested_at, done_at } = tombstone ?? (await this.#bury(caller, address));
    return {
      run_id: runId,
      status: done_at === null ? 'erasing' : 'erased',
      requested_at,
      erased_at: done_at,
    };
  }

  async #bury(caller: Principal, address: RunAddress): Promise<Tombstone> {
    const requested = await this.#endedRun(address).catch(async (error: unknown) => {
      const meanwhile = error instanceof RunErased ? await this.tombstones.find(address) : undefined;
      if (meanwhile) return meanwhile;
      throw error;
    });
    const asked = {
      erased_by: caller.user_id,
      reason: 'requested' as const,
      requested_at: new Date().toISOString(),
    };
    return this.tombstones.create(address, tombstoneFor(requested, asked));
  }

  /** The data of its `run.requested`. */
  async #endedRun(address: RunAddress): Promise<object> {
    const { lines, ended } = await this.#runLog.page(address, 0, 1);
    if (!lines[0]) throw notFound(address.run_id);
    if (!ended) throw new Problem('run_not_ended', 'A run is erased after its end: stop it first.');
    const data = decodeEvent(lines[0].line).data as { parent?: { run_id: string } };
    const { parent } = data;
    if (parent && !(await this.#isOver({ ...address, run_id: parent.run_id })))
      throw new Problem(
        'run_not_ended',
        `Its parent run ${parent.run_id} has not ended and may still need it.`,
      );
    return data;
  }

  /** Ended, or erased itself. */
  async #isOver(address: RunAddress): Promise<boolean> {
    const { last_seq, ended } = await this.#runLog.page(address, 0, 0);
    return ended || last_seq === 0;
  }
}
