import {
  absentChild,
  isEnded,
  liveChildren,
  timedOut,
  type Child,
  type Command,
  type Run,
  type RunEvent,
} from '@runledger/run';
import type { RunAddress, RunLog } from '@runledger/run-log';
import type { RunView } from '@runledger/run-views';
import { decodeEvent } from '@runledger/wire';
import type { VirtualTime } from '../virtual-time.ts';

const AFTER_MS = 60_000;
const STOP_GRACE_MS = 300_000;
const OVER = new Set(['success', 'error', 'stopped']);

type Stop = Pick<Extract<Command, { type: 'RequestStop' }>, 'by' | 'mode' | 'reason'>;
type End = Pick<Extract<Command, { type: 'EndChild' }>, 'status' | 'result' | 'error'>;

/** Repairs what should have followed by itself: a lost reaction, a lost timer. Views only name suspects. */
export class Sweeps {
  constructor(
    private readonly runLog: RunLog,
    private readonly time: VirtualTime,
  ) {}

  async sweep(views: readonly RunView[]): Promise<void> {
    const byId = new Map(views.map((view) => [view.run_id, view]));
    for (const view of views) {
      if (OVER.has(view.status)) continue;
      const parent = view.parent_run_id === null ? undefined : byId.get(view.parent_run_id);
      if (parent && OVER.has(parent.status)) await this.#stopOrphan(view, parent);
      if (view.status === 'stopping') await this.#pushStop(view);
      else if (this.#since(view.last_event_at) >= AFTER_MS) await this.#lookAtIdle(view);
    }
  }

  async #lookAtIdle({ tenant_id, run_id, status, waiting_on }: RunView): Promise<void> {
    const address = { tenant_id, run_id };
    const { run } = await this.runLog.load(address);
    if (status === 'running' || waiting_on === 'children')
      for (const child of liveChildren(run)) await this.#settle(run, child, undefined);
    const due = run.status === 'queued' || run.status === 'waiting' ? this.#dueOf(run) : undefined;
    if (due) await this.runLog.execute(address, () => due);
  }

  #dueOf(run: Run): Command | undefined {
    const { timeout_s } = run.limits;
    if (timeout_s !== null && this.#since(run.requested_at) > timeout_s * 1_000 + AFTER_MS)
      return { type: 'FailRun', error: timedOut() };
    if (run.waiting_on === 'retry' && run.timer && this.#since(run.timer.due_at) > AFTER_MS)
      return { type: 'FireRetry', timer_id: run.timer.timer_id };
    return run.waiting_on === 'handover' ? { type: 'UnparkRun', reason: 'handover' } : undefined;
  }

  async #pushStop({ tenant_id, run_id }: RunView): Promise<void> {
    const address = { tenant_id, run_id };
    const { run } = await this.runLog.load(address);
    if (run.status !== 'stopping' || !run.stop || this.#since(run.stop.requested_at) < AFTER_MS) return;
    const { by_user_id, by_channel, mode, reason, requested_at } = run.stop;
    const stop: Stop = { by: { user_id: by_user_id, channel: by_channel }, mode, reason };
    for (const child of liveChildren(run)) await this.#settle(run, child, stop);
    if (!run.holder) {
      await this.runLog.execute(address, () => ({ type: 'FinishStop', by: stop.by, reason }));
    } else if (!run.stop_observed && this.#since(requested_at) > STOP_GRACE_MS)
      await this.runLog.execute(address, () => ({ type: 'RequestStop', ...stop, mode: 'kill' }));
  }

  async #stopOrphan({ tenant_id, run_id, user_id }: RunView, parent: RunView): Promise<void> {
    const { run } = await this.runLog.load({ tenant_id, run_id: parent.run_id });
    if (!isEnded(run) || this.#since(run.ended_at ?? '') < AFTER_MS) return;
    await this.runLog.execute({ tenant_id, run_id }, () => ({
      type: 'RequestStop',
      by: { user_id, channel: 'agent' },
      mode: 'cooperative',
      reason: 'its parent has ended',
      cascade_from: parent.run_id,
    }));
  }

  async #settle(parent: Run, child: Child, stop: Stop | undefined): Promise<void> {
    const address = { tenant_id: parent.tenant_id, run_id: child.child_run_id };
    const end = await this.#endOf(parent, address, stop);
    if (end) {
      await this.runLog.execute({ ...address, run_id: parent.run_id }, () => ({
        type: 'EndChild',
        child_run_id: child.child_run_id,
        ...end,
      }));
    } else if (stop)
      await this.runLog.execute(address, () => ({
        type: 'RequestStop',
        ...stop,
        cascade_from: parent.run_id,
      }));
  }

  async #endOf(parent: Run, address: RunAddress, stop: Stop | undefined): Promise<End | undefined> {
    const { run } = await this.runLog.load(address);
    if (isEnded(run)) return this.#recordedEnd(address);
    if (run.status !== 'none' || parent.status === 'running') return undefined;
    const order = stop ?? {
      by: { user_id: parent.user_id, channel: 'agent' as const },
      mode: 'cooperative' as const,
      reason: 'it was never created',
    };
    const done = await this.runLog.execute(address, () => ({
      type: 'StopAbsentChild',
      request: absentChild(parent, address.run_id, null),
      ...order,
      cascade_from: parent.run_id,
    }));
    return done.run.status === 'stopped' ? { status: 'stopped' } : undefined;
  }

  async #recordedEnd(address: RunAddress): Promise<End | undefined> {
    const { last_seq } = await this.runLog.page(address, 0, 0);
    const [last] = (await this.runLog.page(address, last_seq - 1, 1)).lines;
    const event = last && (decodeEvent(last.line) as RunEvent);
    if (event?.type === 'run.succeeded') return { status: 'success', result: event.data.result };
    if (event?.type === 'run.failed') return { status: 'error', error: event.data.error };
    return event?.type === 'run.stopped' ? { status: 'stopped' } : undefined;
  }

  #since(stamp: string): number {
    return this.time.now - this.time.instantOf(stamp);
  }
}
