import type {
  Actor,
  Command,
  DraftEvent,
  EventData,
  EventType,
  HeldBy,
  ParkReason,
  RunError,
} from '@runledger/run';

export const ANNA: Actor = { user_id: 'anna', channel: 'cli' };
export const BEN: Actor = { user_id: 'ben', channel: 'console' };
export const E1: HeldBy = { executor: 'e1', attempt: 1 };
export const E2: HeldBy = { executor: 'e2', attempt: 2 };

export function draft<T extends EventType>(type: T, data: EventData[T]): DraftEvent {
  return { type, data } as DraftEvent;
}

export function request(changes: Partial<EventData['run.requested']> = {}): EventData['run.requested'] {
  return {
    agent_id: 'ticker',
    agent_name: 'Ticker',
    agent_revision: 1,
    agent_sha256: 'a'.repeat(64),
    input: { count: 3 },
    env_keys: [],
    tenant_id: 'local',
    user_id: 'anna',
    channel: 'cli',
    root_run_id: 'R',
    depth: 0,
    labels: {},
    priority: 0,
    limits: { max_turns: null, max_cost_usd: '1.00', timeout_s: null, max_attempts: 3 },
    trace: false,
    schema: 1,
    ...changes,
  };
}

export const requested = (changes: Partial<EventData['run.requested']> = {}): DraftEvent =>
  draft('run.requested', request(changes));

/** Attempt n is held by executor e<n>. */
export const started = (
  attempt = 1,
  dispatch = 1,
  changes: Partial<EventData['run.started']> = {},
): DraftEvent =>
  draft('run.started', {
    attempt,
    dispatch,
    work_seq: 10 + dispatch,
    delivery: 1,
    executor: `e${attempt}`,
    pool: 'default',
    engine: 'builtin',
    ...changes,
  });

export const begin = (changes: Partial<Extract<Command, { type: 'BeginAttempt' }>> = {}): Command => ({
  type: 'BeginAttempt',
  dispatch: 1,
  work_seq: 11,
  delivery: 1,
  executor: 'e1',
  pool: 'default',
  engine: 'builtin',
  ...changes,
});

export const parked = (reason: ParkReason, dispatch = 1): DraftEvent =>
  draft('run.parked', {
    dispatch,
    reason,
    detail: '',
    ...(reason === 'retry' ? { timer: { timer_id: 't1', due_at: '2026-11-21T10:01:00.000Z' } } : {}),
  });

export const unparked = (reason: ParkReason, dispatch = 2): DraftEvent =>
  draft('run.unparked', { reason, dispatch });

export const log = (index = 0, message = 'hello'): DraftEvent =>
  draft('log.written', { index, level: 'info', source: 'agent', message });

export const milestone = (index = 0): DraftEvent =>
  draft('milestone.reached', { index, name: `m${index}`, detail: '' });

export const called = (call_id = 'c1', idempotent = false, index = 1): DraftEvent =>
  draft('tool.called', {
    call_id,
    index,
    name: 'pay',
    args: { eur: 1 },
    idempotent,
    args_sha256: 'b'.repeat(64),
  });

export const returned = (
  call_id = 'c1',
  outcome: EventData['tool.returned']['outcome'] = 'done',
  index = 1,
): DraftEvent =>
  draft('tool.returned', { call_id, index, is_error: false, result: 'ok', duration_ms: 5, outcome });

export const unknown = (call_id = 'c1'): DraftEvent =>
  draft('outcome.unknown', { call_id, name: 'pay', args: { eur: 1 } });

export const spawned = (child_run_id = 'K1', index = 2): DraftEvent =>
  draft('child.spawned', {
    call_id: `call-${child_run_id}`,
    index,
    child_run_id,
    agent_id: 'ticker',
    input: {},
  });

export const childEnded = (child_run_id = 'K1'): DraftEvent =>
  draft('child.ended', { child_run_id, status: 'success', result: 7 });

export const approvalRequested = (approval_id = 'A1'): DraftEvent =>
  draft('approval.requested', {
    approval_id,
    call_id: 'c1',
    name: 'pay',
    args: {},
    args_sha256: 'b'.repeat(64),
    reason: 'money',
    severity: 'high',
    due_at: '2026-11-22T10:00:00.000Z',
    policy_ids: ['p1'],
  });

export const limitReached = (limit = 'max_cost_usd'): DraftEvent =>
  draft('limit.reached', { limit, value: '1.00', used: '1.00' });

export const stopRequested = (mode: 'cooperative' | 'kill' = 'cooperative'): DraftEvent =>
  draft('stop.requested', { by: ANNA, mode, reason: 'enough' });

export const stopObserved = (): DraftEvent =>
  draft('stop.observed', { boundary: 'tool', in_flight: [], latency_ms: 3 });

export const nudged = (nudge_id = 'N1'): DraftEvent =>
  draft('nudge.received', { nudge_id, by: ANNA, message: 'look left' });

export const pauseRequested = (): DraftEvent => draft('pause.requested', { by: ANNA, reason: 'lunch' });

export const failure: RunError = {
  code: 'tool_failed',
  category: 'tool',
  title: 'The tool failed',
  detail: 'exit 1',
  remedy: 'Look at its output.',
  retryable: true,
};

export const succeeded = (): DraftEvent =>
  draft('run.succeeded', { result: { ticks: 3 }, schema_warnings: [] });
export const failed = (): DraftEvent => draft('run.failed', { error: failure });
export const stopped = (): DraftEvent => draft('run.stopped', { by: ANNA, reason: 'enough' });

/** One command of every type, as it might arrive at any time. */
export const everyCommand: Command[] = [
  { type: 'StartRun', request: request() },
  begin(),
  begin({ lost: 'lease_expired', executor: 'e2', delivery: 2 }),
  { type: 'RecordProgress', held_by: E1, events: [log()] },
  { type: 'ParkRun', held_by: E1, reason: 'handover', detail: '' },
  { type: 'UnparkRun', reason: 'handover' },
  { type: 'SucceedRun', held_by: E1, result: 1, schema_warnings: [] },
  { type: 'FailRun', held_by: E1, error: failure },
  { type: 'FailRun', error: failure },
  {
    type: 'ScheduleRetry',
    held_by: E1,
    error: { code: 'x', detail: 'y' },
    timer: { timer_id: 't1', due_at: '2026-11-21T10:01:00.000Z' },
  },
  { type: 'FireRetry', timer_id: 't1' },
  { type: 'RequestStop', by: ANNA, mode: 'cooperative', reason: 'enough' },
  {
    type: 'StopAbsentChild',
    request: request(),
    by: ANNA,
    mode: 'cooperative',
    reason: 'enough',
    cascade_from: 'P',
  },
  { type: 'ObserveStop', held_by: E1, boundary: 'tool', in_flight: [], latency_ms: 1 },
  { type: 'FinishStop', held_by: E1, by: ANNA, reason: 'enough' },
  { type: 'EndChild', child_run_id: 'K1', status: 'success' },
  { type: 'SendNudge', nudge_id: 'N1', by: ANNA, message: 'left' },
  {
    type: 'DecideApproval',
    approval_id: 'A1',
    decision: 'approve',
    by: ANNA,
    channel: 'cli',
    reason: '',
    scope: 'once',
  },
  { type: 'ExpireApproval', approval_id: 'A1' },
  { type: 'ResolveOutcome', call_id: 'c1', by: ANNA, choice: 'retry' },
  { type: 'RaiseLimits', by: ANNA, limits: { max_cost_usd: '2.00' } },
  { type: 'PauseRun', by: ANNA, reason: 'lunch' },
  { type: 'ResumeRun', by: ANNA },
  { type: 'CheckpointRun', held_by: E1 },
];
