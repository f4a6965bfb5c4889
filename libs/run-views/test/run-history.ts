import type { EventData, EventType, RunEvent } from '@runledger/run';

export const RUN_ID = '01JD7Q3C5W8X9YZABCDEFGHJKM';

const USAGE = { input_tokens: 100, output_tokens: 20, cached_tokens: 5, cost_usd: '0.0125' };
const BY = { user_id: 'ada', channel: 'cli' } as const;

/** One plausible `data` for every event type; the compiler asks for a new one when the catalogue grows. */
export const SAMPLES: { [T in EventType]: EventData[T] } = {
  'run.requested': {
    agent_id: 'hello',
    agent_name: 'Hello',
    agent_revision: 3,
    agent_sha256: 'a'.repeat(64),
    input: { message: 'hi' },
    env_keys: [],
    tenant_id: 'acme',
    user_id: 'ada',
    workspace_id: 'lab',
    channel: 'cli',
    root_run_id: RUN_ID,
    depth: 0,
    labels: { ticket: 'T-1' },
    priority: 2,
    limits: { max_turns: 10, max_cost_usd: '1.00', timeout_s: 60, max_attempts: 3 },
    trace: true,
    schema: 1,
  },
  'run.started': {
    attempt: 1,
    dispatch: 1,
    work_seq: 7,
    delivery: 1,
    executor: 'ex-1',
    pool: 'default',
    engine: 'llm',
  },
  'attempt.lost': { attempt: 1, executor: 'ex-1', reason: 'lease_expired' },
  'run.parked': { dispatch: 1, reason: 'approval', detail: 'rm -rf' },
  'run.unparked': { reason: 'approval', by: BY, dispatch: 2 },
  'turn.started': { turn: 1, model: 'offline/echo' },
  'turn.completed': {
    turn: 1,
    model: 'offline/echo',
    finish_reason: 'stop',
    usage: USAGE,
    message: { role: 'assistant' },
  },
  'text.appended': { turn: 1, message_id: 'm1', channel: 'text', text: 'Hello' },
  'tool.called': {
    call_id: 'c1',
    index: 0,
    turn: 1,
    name: 'Bash',
    args: {},
    idempotent: false,
    args_sha256: 'b',
  },
  'tool.returned': {
    call_id: 'c1',
    index: 0,
    is_error: false,
    result: 'ok',
    duration_ms: 12,
    outcome: 'done',
  },
  'step.completed': {
    index: 1,
    kind: 'model',
    name: 'callLlm',
    signature: 'c',
    result: null,
    is_error: false,
    duration_ms: 3,
    usage: USAGE,
  },
  'milestone.reached': { index: 2, name: 'cloned', detail: 'repo' },
  'log.written': { index: 3, level: 'info', source: 'agent', message: 'line' },
  'cost.added': { source: 'search', usage: { ...USAGE, cost_usd: '0.1' } },
  'data.accessed': { index: 4, op: 'get', namespace: 'notes', key: 'k', found: true, preview: 'v' },
  'child.spawned': {
    call_id: 'c2',
    index: 5,
    child_run_id: RUN_ID.replace(/M$/, 'N'),
    agent_id: 'tree',
    input: null,
  },
  'child.ended': { child_run_id: RUN_ID.replace(/M$/, 'N'), status: 'success', result: 1 },
  'stop.requested': { by: BY, mode: 'cooperative', reason: 'enough' },
  'stop.observed': { boundary: 'tool', in_flight: [], latency_ms: 20 },
  'nudge.received': { nudge_id: 'n1', by: BY, message: 'faster' },
  'nudge.acknowledged': { nudge_id: 'n1', turn: 2 },
  'approval.requested': {
    approval_id: 'a1',
    call_id: 'c1',
    name: 'Bash',
    args: {},
    args_sha256: 'b',
    reason: 'policy',
    severity: 'high',
    due_at: '2026-11-21T11:00:00.000Z',
    policy_ids: ['p1'],
  },
  'approval.decided': {
    approval_id: 'a1',
    decision: 'approve',
    by: BY,
    channel: 'cli',
    reason: '',
    scope: 'once',
  },
  'approval.expired': { approval_id: 'a1' },
  'outcome.unknown': { call_id: 'c1', name: 'Bash', args: {} },
  'outcome.resolved': { call_id: 'c1', by: BY, choice: 'skip' },
  'limit.reached': { limit: 'max_turns', value: '10', used: '10' },
  'limits.raised': { by: BY, limits: { max_turns: 20 } },
  'pause.requested': { by: BY, reason: 'lunch' },
  'resume.requested': { by: BY },
  'retry.scheduled': {
    attempt: 1,
    error: { code: 'x', detail: 'y' },
    timer: { timer_id: 't', due_at: '2026-11-21T10:05:00.000Z' },
  },
  'run.checkpointed': { state: {}, version: 1 },
  'run.succeeded': { result: { reply: 'hi' }, schema_warnings: ['missing required output keys: a'] },
  'run.failed': {
    error: {
      code: 'agent_error',
      category: 'agent',
      title: 'Agent errored',
      detail: 'boom',
      remedy: 'fix it',
      retryable: false,
    },
  },
  'run.stopped': { by: BY, reason: 'enough' },
};

export const TYPES = Object.keys(SAMPLES) as EventType[];

/** `count` seconds after ten o'clock. */
export const stamp = (seconds: number): string =>
  new Date(Date.UTC(2026, 10, 21, 10, 0, seconds)).toISOString();

export function eventOf<T extends EventType>(
  seq: number,
  type: T,
  data: Partial<EventData[T]> = {},
): RunEvent {
  return {
    seq,
    type,
    at: stamp(seq),
    run_id: RUN_ID,
    attempt: 1,
    data: { ...SAMPLES[type], ...data },
  } as RunEvent;
}

/** `run.requested`, then these, numbered from 1. */
export const history = (...types: EventType[]): RunEvent[] =>
  (['run.requested', ...types] as const).map((type, index) => eventOf(index + 1, type));
