import { isEventOf } from './event-shapes.ts';
import type { AnyEvent, EndStatus, EventOf, EventType, Limits } from './events.ts';
import { isEnded, limitAfterRaise } from './predicates.ts';
import type { Run } from './run.ts';

type Change = Partial<Run> | undefined;
type Fold = (run: Run, event: AnyEvent) => Change;

function on<T extends EventType>(type: T, apply: (run: Run, event: EventOf<T>) => Change): [string, Fold] {
  return [type, (run, event) => (isEventOf(event, type) ? apply(run, event) : undefined)];
}

/** A recorded step: the attempt got somewhere, so losing it later is the first loss in a row again. */
function recorded(run: Run): Change {
  return run.lost_in_a_row === 0 ? undefined : { lost_in_a_row: 0 };
}

function ended(status: EndStatus): (run: Run, event: AnyEvent) => Change {
  return (_run, event) => ({ status, waiting_on: null, holder: null, timer: null, ended_at: event.at });
}

const lifecycle: [string, Fold][] = [
  on('run.requested', (_run, { data, at }) => ({
    status: 'queued',
    tenant_id: data.tenant_id,
    user_id: data.user_id,
    workspace_id: data.workspace_id ?? null,
    agent_id: data.agent_id,
    agent_revision: data.agent_revision,
    channel: data.channel,
    parent: data.parent ? { run_id: data.parent.run_id, call_id: data.parent.call_id } : null,
    root_run_id: data.root_run_id,
    depth: data.depth,
    priority: data.priority,
    limits: mergedLimits(data.limits, {}),
    requested_at: at,
  })),
  on('run.started', (run, { data, at }) => ({
    // A takeover of a run that is stopping finishes the stop; it does not undo it.
    status: run.status === 'stopping' ? 'stopping' : 'running',
    waiting_on: null,
    timer: null,
    attempt: data.attempt,
    dispatch: data.dispatch,
    holder: {
      executor: data.executor,
      attempt: data.attempt,
      dispatch: data.dispatch,
      work_seq: data.work_seq,
      delivery: data.delivery,
    },
    started_at: run.started_at ?? at,
  })),
  on('attempt.lost', (run) => ({ holder: null, lost_in_a_row: run.lost_in_a_row + 1 })),
  on('retry.scheduled', (run) => ({ failed_attempts: run.failed_attempts + 1 })),
  on('run.parked', (_run, { data }) => ({
    status: 'waiting',
    waiting_on: data.reason,
    holder: null,
    timer: data.timer ? { timer_id: data.timer.timer_id, due_at: data.timer.due_at } : null,
    lost_in_a_row: 0,
  })),
  on('run.unparked', (run, { data }) => ({
    status: 'queued',
    waiting_on: null,
    timer: null,
    dispatch: data.dispatch,
    limit_reached: data.reason === 'budget' ? null : run.limit_reached,
  })),
  on('run.succeeded', ended('success')),
  on('run.failed', ended('error')),
  on('run.stopped', ended('stopped')),
  on('run.checkpointed', (_run, { seq }) => ({ checkpoint_seq: seq })),
];

const progress: [string, Fold][] = [
  on('milestone.reached', recorded),
  on('step.completed', recorded),
  on('turn.completed', (run) => ({ turns: run.turns + 1, lost_in_a_row: 0 })),
  on('tool.called', (run, { data, at }) => ({
    calls_since: since(run, data.call_id, at),
    open_calls: [
      ...run.open_calls.filter((call) => call.call_id !== data.call_id),
      {
        call_id: data.call_id,
        index: data.index,
        name: data.name,
        idempotent: data.idempotent,
        state: 'called',
      },
    ],
  })),
  on('tool.returned', (run, { data }) => ({
    open_calls: run.open_calls.filter((call) => call.call_id !== data.call_id),
    calls_since: run.calls_since.filter((call) => call.call_id !== data.call_id),
    lost_in_a_row: 0,
  })),
  on('outcome.unknown', (run, { data }) => withCall(run, data.call_id, 'unknown')),
  on('outcome.resolved', (run, { data }) => withCall(run, data.call_id, 'called')),
  on('child.spawned', (run, { data, at }) => ({
    calls_since: since(run, data.call_id, at),
    children: [
      ...run.children.filter((child) => child.child_run_id !== data.child_run_id),
      {
        child_run_id: data.child_run_id,
        call_id: data.call_id,
        agent_id: data.agent_id,
        index: data.index,
        status: 'live',
      },
    ],
    lost_in_a_row: 0,
  })),
  on('child.ended', (run, { data }) => ({
    children: run.children.map((child) =>
      child.child_run_id === data.child_run_id ? { ...child, status: data.status } : child,
    ),
    calls_since: run.calls_since.filter(({ call_id }) => call_id !== callOf(run, data.child_run_id)),
  })),
];

const control: [string, Fold][] = [
  on('stop.requested', (run, { data, at, seq }) => ({
    status: 'stopping',
    waiting_on: null,
    timer: null,
    stop: run.stop
      ? { ...run.stop, mode: data.mode }
      : {
          mode: data.mode,
          reason: data.reason,
          by_user_id: data.by.user_id,
          by_channel: data.by.channel,
          requested_at: at,
          requested_seq: seq,
        },
  })),
  on('stop.observed', (_run, { data, seq }) => ({
    stop_observed: { boundary: data.boundary, in_flight: data.in_flight, latency_ms: data.latency_ms, seq },
  })),
  on('nudge.received', (run, { data }) => ({ nudges: [...run.nudges, { nudge_id: data.nudge_id }] })),
  on('nudge.acknowledged', (run, { data }) => ({
    nudges: run.nudges.filter((nudge) => nudge.nudge_id !== data.nudge_id),
  })),
  on('approval.requested', (run, { data }) => ({
    approvals: [
      ...run.approvals.filter((approval) => approval.approval_id !== data.approval_id),
      {
        approval_id: data.approval_id,
        call_id: data.call_id,
        due_at: data.due_at,
        state: 'open',
        decided_by: null,
      },
    ],
  })),
  on('approval.decided', (run, { data }) =>
    withApproval(run, data.approval_id, data.decision, data.by.user_id),
  ),
  on('approval.expired', (run, { data }) => withApproval(run, data.approval_id, 'expired', null)),
  on('limit.reached', (_run, { data }) => ({ limit_reached: data.limit })),
  on('limits.raised', (run, { data }) => ({
    limits: mergedLimits(run.limits, data.limits),
    limit_reached: limitAfterRaise(run, data.limits),
  })),
  on('pause.requested', () => ({ pause_requested: true })),
  on('resume.requested', () => ({ pause_requested: false })),
];

const folds: ReadonlyMap<string, Fold> = new Map([...lifecycle, ...progress, ...control]);

/**
 * The run after one more event. Total: an unknown type, data that is not what the type says, or an event that cannot
 * belong where it stands change nothing but `seq`. The argument is never changed.
 */
export function evolve(run: Run, event: AnyEvent): Run {
  const misplaced = isEnded(run) || (run.status === 'none') !== (event.type === 'run.requested');
  const change = misplaced ? undefined : folds.get(event.type)?.(run, event);
  return { ...run, ...change, seq: event.seq };
}

/** A call that is made again has begun when it was first made. */
function since(run: Run, call_id: string, at: string): Run['calls_since'] {
  return run.calls_since.some((call) => call.call_id === call_id)
    ? run.calls_since
    : [...run.calls_since, { call_id, at }];
}

function callOf(run: Run, child_run_id: string): string | undefined {
  return run.children.find((child) => child.child_run_id === child_run_id)?.call_id;
}

function withCall(run: Run, call_id: string, state: 'called' | 'unknown'): Change {
  return { open_calls: run.open_calls.map((call) => (call.call_id === call_id ? { ...call, state } : call)) };
}

function withApproval(
  run: Run,
  approval_id: string,
  state: 'approve' | 'deny' | 'expired',
  decided_by: string | null,
): Change {
  return {
    approvals: run.approvals.map((approval) =>
      approval.approval_id === approval_id && approval.state === 'open'
        ? { ...approval, state, decided_by }
        : approval,
    ),
  };
}

function mergedLimits(limits: Limits, raised: Partial<Limits>): Limits {
  const { max_turns, max_cost_usd, timeout_s, max_attempts } = { ...limits, ...raised };
  return { max_turns, max_cost_usd, timeout_s, max_attempts };
}
