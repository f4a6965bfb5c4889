import { timedOut, type Command, type Run } from '@runledger/run';
import type { RunView } from '@runledger/run-views';
import { changed, type Look, type SweepKind } from './sweep.ts';

/**
 * Runs that nobody holds and whose timer is long past without having fired, or without having been heard: the time limit,
 * a retry, an approval, a handover that no scheduler took up. A timer that does fire later is refused by the run's
 * state. Clocks are compared only here, and only beyond a margin.
 */
export function expiredSweep(marginMs: number): SweepKind {
  return {
    name: 'expired',
    what: 'runs whose time is over',
    statuses: ['queued', 'waiting'],
    effects: ['timed_out', 'retried', 'approval_expired', 'handed_over'],
    examine: (look) => examine(look, marginMs),
  };
}

async function examine({ parts, address, now, say }: Look, marginMs: number): Promise<string> {
  const view = await parts.store.get(address.tenant_id, address.run_id);
  if (view && !mayBeDue(view, now - marginMs)) return 'in_time';
  const { run } = await parts.runLog.load(address);
  if (run.status !== 'queued' && run.status !== 'waiting') return 'advanced';
  const due = dueOf(run, now - marginMs);
  if (!due) return 'in_time';
  const { outcome, command, due_at } = due;
  // Decided from the run as it is then: what has gone on refuses it.
  if (!(await changed(parts, address, () => command))) return 'advanced';
  say(
    'warn',
    outcome,
    { due_at, status: run.status, waiting_on: run.waiting_on },
    'the time of a run was over',
  );
  return outcome;
}

const TIMED = new Set<string | null>(['retry', 'approval', 'handover']);

/** Thousands may wait for a slot or for a person: their views are enough to leave them to it. */
function mayBeDue({ waiting_on, limits, created_at }: RunView, before: number): boolean {
  return TIMED.has(waiting_on) || deadlineOf(created_at, limits.timeout_s) < before;
}

function deadlineOf(requested_at: string, timeout_s: number | null): number {
  return timeout_s === null ? Infinity : Date.parse(requested_at) + timeout_s * 1_000;
}

interface Due {
  outcome: string;
  command: Command;
  due_at: string;
}

/** What is due before `before`; the time limit first. */
function dueOf(run: Run, before: number): Due | undefined {
  const deadline = deadlineOf(run.requested_at, run.limits.timeout_s);
  if (deadline < before) {
    const due_at = new Date(deadline).toISOString();
    return { outcome: 'timed_out', command: { type: 'FailRun', error: timedOut() }, due_at };
  }
  if (run.waiting_on === 'retry' && run.timer && Date.parse(run.timer.due_at) < before) {
    const { timer_id, due_at } = run.timer;
    return { outcome: 'retried', command: { type: 'FireRetry', timer_id }, due_at };
  }
  const approval = run.approvals.find(({ state, due_at }) => state === 'open' && Date.parse(due_at) < before);
  if (approval) {
    const { approval_id, due_at } = approval;
    return { outcome: 'approval_expired', command: { type: 'ExpireApproval', approval_id }, due_at };
  }
  if (run.waiting_on !== 'handover') return undefined;
  return { outcome: 'handed_over', command: { type: 'UnparkRun', reason: 'handover' }, due_at: '' };
}
