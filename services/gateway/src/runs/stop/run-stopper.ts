import { Inject, Injectable } from '@nestjs/common';
import type { RunLog } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { z } from 'zod';
import type { Principal } from '../../auth/principal.ts';
import { problemFromRefusal } from '../../problem/from-refusal.ts';
import { RunAccess } from '../load-run-for.ts';

export const StopRequest = z.strictObject({
  mode: z.enum(['cooperative', 'kill']).optional(),
  reason: z.string().max(2_000).optional(),
});
export type StopRequest = z.infer<typeof StopRequest>;

export interface StopAnswer {
  run_id: string;
  status: string;
  seq: number;
}

@Injectable()
export class RunStopper {
  readonly #runLog: RunLog;

  constructor(
    @Inject(SERVICE_CONTEXT) context: ServiceContext,
    @Inject(RunAccess) private readonly access: RunAccess,
  ) {
    this.#runLog = context.runLog;
  }

  /** A repeated stop changes nothing and answers alike. Throws `run_already_ended`. */
  async stop(caller: Principal, runId: string, request: StopRequest): Promise<StopAnswer> {
    const { address } = await this.access.loadRunFor(caller, runId, 'control');
    const done = await this.#runLog.execute(address, () => ({
      type: 'RequestStop',
      by: { user_id: caller.user_id, channel: caller.channel },
      mode: request.mode ?? 'cooperative',
      reason: request.reason ?? '',
    }));
    if (done.refusal) throw problemFromRefusal(done.refusal);
    return { run_id: runId, status: done.run.status, seq: done.run.seq };
  }
}
