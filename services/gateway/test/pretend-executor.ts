import type { DraftEvent } from '@runledger/run';
import type { HeldRun, RunAddress, RunLog } from '@runledger/run-log';

/** Appends to a run as its executor would: one `log.written` per call of `say`. */
export class PretendExecutor {
  #index = 0;

  private constructor(private readonly held: HeldRun) {}

  static async begin(runLog: RunLog, runId: string): Promise<PretendExecutor> {
    const address: RunAddress = { tenant_id: 'acme', run_id: runId };
    const begun = await runLog.execute(address, () => ({
      type: 'BeginAttempt',
      dispatch: 1,
      work_seq: 1,
      delivery: 1,
      executor: 'spec',
      pool: 'default',
      engine: 'builtin',
    }));
    if (begun.refusal) throw new Error(begun.refusal.detail);
    return new PretendExecutor(await runLog.hold(address, await runLog.load(address)));
  }

  say(...messages: string[]): Promise<void> {
    return this.record(
      ...messages.map((message): DraftEvent => ({
        type: 'log.written',
        data: { index: (this.#index += 1), level: 'info', source: 'agent', message },
      })),
    );
  }

  async record(...events: DraftEvent[]): Promise<void> {
    const refusal = await this.held.record(events);
    if (refusal) throw new Error(refusal.detail);
  }

  async succeed(result: string): Promise<void> {
    const { executor, attempt } = { executor: 'spec', attempt: this.held.run.attempt };
    const refusal = await this.held.submit({
      type: 'SucceedRun',
      held_by: { executor, attempt },
      result,
      schema_warnings: [],
    });
    if (refusal) throw new Error(refusal.detail);
    await this.held.release();
  }

  release(): Promise<void> {
    return this.held.release();
  }
}
