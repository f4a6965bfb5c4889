import type { DraftEvent, EventData, ParkReason } from '@runledger/run';
import type { HeldRun, RunAddress, RunLog } from '@runledger/run-log';
import { decodeEvent } from '@runledger/wire';
import { ulid } from 'ulid';

const BY = { user_id: 'ann', channel: 'api' } as const;

/** Runs of tenant `acme` in the hands of executors that the spec moves. */
export class Tree {
  constructor(private readonly runLog: RunLog) {}

  async begin(runId: string): Promise<PlayedHolder> {
    const address: RunAddress = { tenant_id: 'acme', run_id: runId };
    const begun = await this.runLog.execute(address, () => ({
      type: 'BeginAttempt',
      dispatch: 1,
      work_seq: 1,
      delivery: 1,
      executor: 'spec',
      pool: 'default',
      engine: 'builtin',
    }));
    if (begun.refusal) throw new Error(begun.refusal.detail);
    return new PlayedHolder(await this.runLog.hold(address, await this.runLog.load(address)));
  }

  /** `child.spawned` in the parent and, unless said otherwise, the child in its own log, queued. */
  async spawn(parent: PlayedHolder, { create = true }: { create?: boolean } = {}): Promise<string> {
    const run_id = ulid();
    const { address, run } = parent.held;
    const call_id = `c${run.children.length}`;
    await parent.record({
      type: 'child.spawned',
      data: {
        call_id,
        index: run.children.length,
        child_run_id: run_id,
        agent_id: run.agent_id,
        input: null,
      },
    });
    if (!create) return run_id;
    const { lines } = await this.runLog.page(address, 0, 1);
    const request = decodeEvent(lines[0]?.line ?? '').data as EventData['run.requested'];
    const child = { ...request, parent: { run_id: address.run_id, call_id }, depth: run.depth + 1 };
    await this.runLog.completeStart(
      this.runLog.prepareStart({ type: 'StartRun', request: child }, { ...address, run_id }),
    );
    return run_id;
  }
}

/** A run that the spec holds. Every refusal is an error. */
export class PlayedHolder {
  readonly run_id: string;

  constructor(readonly held: HeldRun) {
    this.run_id = held.address.run_id;
  }

  async record(...events: DraftEvent[]): Promise<void> {
    accepted(await this.held.record(events));
  }

  async park(reason: ParkReason): Promise<void> {
    accepted(
      await this.held.submit({ type: 'ParkRun', held_by: this.#by, reason, detail: `waits for ${reason}` }),
    );
    await this.held.release();
  }

  async observeStop(boundary: string): Promise<void> {
    accepted(
      await this.held.submit({
        type: 'ObserveStop',
        held_by: this.#by,
        boundary,
        in_flight: [{ kind: 'model', name: 'm', started_at: '2026-11-21T10:00:00.000Z' }],
        latency_ms: 12,
      }),
    );
  }

  /** With its receipt, where there is none yet. */
  async finishStop(): Promise<void> {
    if (!this.held.run.stop_observed) await this.observeStop('end');
    accepted(await this.held.submit({ type: 'FinishStop', held_by: this.#by, by: BY, reason: '' }));
    await this.held.release();
  }

  async endChild(child_run_id: string): Promise<void> {
    await this.record({ type: 'child.ended', data: { child_run_id, status: 'stopped' } });
  }

  release(): Promise<void> {
    return this.held.release();
  }

  get #by(): { executor: string; attempt: number } {
    return { executor: 'spec', attempt: this.held.run.attempt };
  }
}

function accepted(refusal: { code: string; detail: string } | undefined): void {
  if (refusal) throw new Error(`${refusal.code}: ${refusal.detail}`);
}
