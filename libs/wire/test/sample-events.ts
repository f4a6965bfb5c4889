import type { Actor, EventOf, EventType, Limits, RunError, Usage } from '@runledger/run';

export const RUN_ID = '01JD4Z3Q9WXK8V5T2N7M6H4F1C';
const CHILD_ID = '01JD4Z3Q9WXK8V5T2N7M6H4F1D';
const AT = '2026-11-21T10:00:00.000Z';
const SHA = 'a'.repeat(64);

const by: Actor = { user_id: 'ada', channel: 'api' };
const limits: Limits = { max_turns: 20, max_cost_usd: '1.50', timeout_s: 600, max_attempts: 3 };
const usage: Usage = { input_tokens: 1200, output_tokens: 80, cached_tokens: 0, cost_usd: '0.0312' };
const error: RunError = {
  code: 'agent_failed',
  category: 'agent',
  title: 'The agent failed',
  detail: 'exit code 3',
  remedy: 'Read its log.',
  retryable: false,
};
const timer = { timer_id: 'retry-2', due_at: '2026-11-21T10:05:00.000Z' };

type Data = { [T in EventType]: EventOf<T>['data'] };

const DATA: Data = {
  'run.requested': {
    agent_id: 'hello',
    agent_name: 'Hello',
    agent_revision: 3,
    agent_sha256: SHA,
    agent: { kind: 'builtin', tools: [] },
    input: { question: 'Grüße, 世界', none: null, list: [1, 2.5, 'three', false] },
    env_keys: ['TOKEN'],
    tenant_id: 'acme',
    user_id: 'ada',
    workspace_id: 'main',
    channel: 'api',
    parent: { run_id: CHILD_ID, call_id: 'call-1' },
    root_run_id: CHILD_ID,
    depth: 1,
    labels: { team: 'red', empty: '' },
    priority: -1,
    limits,
    trace: false,
    idempotency_key_sha256: SHA,
    forked_from: { run_id: CHILD_ID, seq: 41 },
    schema: 1,
  },
  'run.started': {
    attempt: 1,
    dispatch: 1,
    work_seq: 4_294_967_296,
    delivery: 1,
    executor: 'agent-executor-1',
    pool: 'default',
    engine: 'builtin',
  },
  'attempt.lost': { attempt: 1, executor: 'agent-executor-1', reason: 'lease_expired' },
  'run.parked': { dispatch: 1, reason: 'retry', detail: 'attempt 1 failed', timer },
  'run.unparked': { reason: 'approval', by, dispatch: 2 },
  'turn.started': { turn: 1, model: 'offline/echo' },
  'turn.completed': {
    turn: 1,
    model: 'offline/echo',
    finish_reason: 'stop',
    usage,
    message: { role: 'assistant', content: [{ type: 'text', text: 'Hello' }] },
  },
  'text.appended': { turn: 1, message_id: 'm1', channel: 'text', text: 'Hel\nlo "\u2028' },
  'tool.called': {
    call_id: 'call-1',
    index: 0,
    turn: 1,
    name: 'http.get',
    args: { url: 'https://example.com' },
    idempotent: true,
    args_sha256: SHA,
  },
  'tool.returned': {
    call_id: 'call-1',
    index: 0,
    is_error: false,
    result: null,
    duration_ms: 12.5,
    outcome: 'done',
  },
  'step.completed': {
    index: 7,
    kind: 'clock',
    name: 'now',
    signature: SHA,
    result: 1_795_255_200_000,
    is_error: false,
    duration_ms: 0,
    usage,
  },
  'milestone.reached': { index: 2, name: 'Read the inbox', detail: '' },
  'log.written': { index: 3, level: 'warn', source: 'stderr', message: 'careful' },
  'cost.added': { source: 'model', usage },
  'data.accessed': {
    index: 4,
    op: 'list',
    namespace: 'notes',
    key: 'a',
    keys: ['a', 'b'],
    count: 2,
    found: true,
    preview: '"x"',
  },
  'child.spawned': { call_id: 'call-2', index: 5, child_run_id: CHILD_ID, agent_id: 'hello', input: 'hi' },
  'child.ended': { child_run_id: CHILD_ID, status: 'error', result: [1], error },
  'stop.requested': { by, mode: 'cooperative', reason: 'enough', cascade_from: CHILD_ID },
  'stop.observed': {
    boundary: 'tool',
    in_flight: [{ kind: 'model', name: 'offline/echo', started_at: AT }],
    latency_ms: 3.25,
  },
  'nudge.received': { nudge_id: 'n1', by, message: 'be brief' },
  'nudge.acknowledged': { nudge_id: 'n1', turn: 2 },
  'approval.requested': {
    approval_id: 'a1',
    call_id: 'call-3',
    name: 'mail.send',
    args: { to: 'bob' },
    args_sha256: SHA,
    reason: 'it leaves the house',
    severity: 'high',
    due_at: timer.due_at,
    policy_ids: ['p1', 'p2'],
  },
  'approval.decided': {
    approval_id: 'a1',
    decision: 'approve',
    by,
    channel: 'console',
    reason: '',
    scope: 'once',
  },
  'approval.expired': { approval_id: 'a1' },
  'outcome.unknown': { call_id: 'call-3', name: 'mail.send', args: { to: 'bob' } },
  'outcome.resolved': { call_id: 'call-3', by, choice: 'mark_done', result: { sent: true } },
  'limit.reached': { limit: 'max_cost_usd', value: '1.50', used: '1.51' },
  'limits.raised': { by, limits: { max_cost_usd: '3.00' } },
  'pause.requested': { by, reason: 'lunch' },
  'resume.requested': { by },
  'retry.scheduled': { attempt: 1, error: { code: 'provider_busy', detail: '529' }, timer },
  'run.checkpointed': { state: { seq: 500, status: 'running' }, version: 1 },
  'run.succeeded': { result: { text: 'done' }, schema_warnings: ['/text is too long'] },
  'run.failed': { error },
  'run.stopped': { by, reason: 'enough' },
};

export const EVENT_TYPES = Object.keys(DATA) as EventType[];

/** A valid event of the type, with every optional field set. */
export function sampleEvent<T extends EventType>(type: T, seq = 1): EventOf<T> {
  return { seq, type, at: AT, run_id: RUN_ID, attempt: 0, data: DATA[type] };
}
