import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AnyEvent, DraftEvent, EventData } from '@runledger/run';
import { decodeEvent } from '@runledger/wire';

const RECORDED = join(import.meta.dirname, '../../../../libs/run/test/histories/v1');

export const RUN = '01KAHTRY000000000000000001';

/** The golden histories of the domain. */
export const recordedHistories = (): { name: string; events: AnyEvent[] }[] =>
  readdirSync(RECORDED)
    .filter((name) => name.endsWith('.ndjson'))
    .map((name) => ({
      name,
      events: readFileSync(join(RECORDED, name), 'utf8').trimEnd().split('\n').map(decodeEvent),
    }));

/** Drafts as stored events of the run RUN, a second apart. */
export const history = (...drafts: (DraftEvent | { type: string; data: unknown })[]): AnyEvent[] =>
  drafts.map(({ type, data }, at) => ({
    seq: at + 1,
    type,
    at: new Date(Date.UTC(2026, 10, 21, 10, 0, at)).toISOString(),
    run_id: RUN,
    attempt: at === 0 ? 0 : 1,
    data,
  }));

const BY = { user_id: 'ann', channel: 'api' } as const;
const USAGE = { input_tokens: 1, output_tokens: 2, cached_tokens: 0, cost_usd: '0.01' };
const ERROR = {
  code: 'tool_failed',
  category: 'tool',
  title: 'The tool failed',
  detail: 'exit 1',
  remedy: 'Look at its output.',
  retryable: false,
} as const;

export const requested = (changes: Partial<EventData['run.requested']> = {}): DraftEvent => ({
  type: 'run.requested',
  data: {
    agent_id: 'hello',
    agent_name: 'Hello',
    agent_revision: 3,
    agent_sha256: 'a'.repeat(64),
    input: null,
    env_keys: [],
    tenant_id: 'acme',
    user_id: 'ann',
    channel: 'api',
    root_run_id: RUN,
    depth: 0,
    labels: {},
    priority: 0,
    limits: { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 3 },
    trace: false,
    schema: 1,
    ...changes,
  },
});

export const started = (attempt = 1): DraftEvent => ({
  type: 'run.started',
  data: {
    attempt,
    dispatch: attempt,
    work_seq: attempt,
    delivery: 1,
    executor: `e${attempt}`,
    pool: 'default',
    engine: 'llm',
  },
});

export const text = (
  message_id: string,
  said: string,
  channel: 'text' | 'reasoning' = 'text',
  turn = 1,
): DraftEvent => ({ type: 'text.appended', data: { turn, message_id, channel, text: said } });

export const turnDone = (message: EventData['turn.completed']['message'], turn = 1): DraftEvent => ({
  type: 'turn.completed',
  data: { turn, model: 'offline/hello', finish_reason: 'stop', usage: USAGE, message },
});

export const called = (call_id: string, changes: Partial<EventData['tool.called']> = {}): DraftEvent => ({
  type: 'tool.called',
  data: {
    call_id,
    index: 1,
    turn: 1,
    name: 'pay',
    args: { eur: 1 },
    idempotent: false,
    args_sha256: 'b'.repeat(64),
    ...changes,
  },
});

export const returned = (call_id: string, changes: Partial<EventData['tool.returned']> = {}): DraftEvent => ({
  type: 'tool.returned',
  data: { call_id, index: 1, is_error: false, result: 'ok', duration_ms: 5, outcome: 'done', ...changes },
});

export const spawned = (child_run_id: string): DraftEvent => ({
  type: 'child.spawned',
  data: { call_id: `call-${child_run_id}`, index: 2, child_run_id, agent_id: 'ticker', input: null },
});

export const childEnded = (child_run_id: string, status: 'success' | 'error' | 'stopped'): DraftEvent => ({
  type: 'child.ended',
  data: {
    child_run_id,
    status,
    ...(status === 'success' ? { result: { ticks: 1 } } : {}),
    ...(status === 'error' ? { error: ERROR } : {}),
  },
});

export const approvalRequested = (approval_id: string, call_id: string): DraftEvent => ({
  type: 'approval.requested',
  data: {
    approval_id,
    call_id,
    name: 'pay',
    args: { eur: 1 },
    args_sha256: 'b'.repeat(64),
    reason: 'money leaves the house',
    severity: 'high',
    due_at: '2026-11-22T10:00:00.000Z',
    policy_ids: ['p1'],
  },
});

export const decided = (approval_id: string, decision: 'approve' | 'deny'): DraftEvent => ({
  type: 'approval.decided',
  data: { approval_id, decision, by: BY, channel: 'api', reason: 'fine', scope: 'call' },
});

export const parked = (reason: EventData['run.parked']['reason']): DraftEvent => ({
  type: 'run.parked',
  data: { dispatch: 1, reason, detail: '' },
});

export const unparked = (reason: EventData['run.parked']['reason']): DraftEvent => ({
  type: 'run.unparked',
  data: { reason, dispatch: 2 },
});

export const stopRequested: DraftEvent = {
  type: 'stop.requested',
  data: { by: BY, mode: 'cooperative', reason: 'enough' },
};

export const ENDS: DraftEvent[] = [
  { type: 'run.succeeded', data: { result: { reply: 'done' }, schema_warnings: [] } },
  { type: 'run.failed', data: { error: ERROR } },
  { type: 'run.stopped', data: { by: BY, reason: 'enough' } },
];
export const [succeeded, failed, stopped] = ENDS as [DraftEvent, DraftEvent, DraftEvent];

/** One of every other type. */
export const THE_REST: DraftEvent[] = [
  { type: 'attempt.lost', data: { attempt: 1, executor: 'e1', reason: 'lease_expired' } },
  { type: 'turn.started', data: { turn: 1, model: 'offline/hello' } },
  {
    type: 'step.completed',
    data: {
      index: 3,
      kind: 'step',
      name: 'fetch',
      signature: 's',
      result: null,
      is_error: false,
      duration_ms: 1,
    },
  },
  { type: 'milestone.reached', data: { index: 4, name: 'half', detail: 'of it' } },
  { type: 'log.written', data: { index: 5, level: 'info', source: 'agent', message: 'hello' } },
  { type: 'cost.added', data: { source: 'search', usage: USAGE } },
  { type: 'data.accessed', data: { index: 6, op: 'get', namespace: 'n', key: 'k', found: true } },
  { type: 'stop.observed', data: { boundary: 'turn 2', in_flight: [], latency_ms: 3 } },
  { type: 'nudge.received', data: { nudge_id: 'N1', by: BY, message: 'be brief' } },
  { type: 'nudge.acknowledged', data: { nudge_id: 'N1', turn: 2 } },
  { type: 'approval.expired', data: { approval_id: 'A1' } },
  { type: 'outcome.unknown', data: { call_id: 'c1', name: 'pay', args: null } },
  { type: 'outcome.resolved', data: { call_id: 'c1', by: BY, choice: 'skip' } },
  { type: 'limit.reached', data: { limit: 'max_turns', value: '1', used: '1' } },
  { type: 'limits.raised', data: { by: BY, limits: { max_turns: 2 } } },
  { type: 'pause.requested', data: { by: BY, reason: '' } },
  { type: 'resume.requested', data: { by: BY } },
  {
    type: 'retry.scheduled',
    data: {
      attempt: 1,
      error: { code: 'x', detail: '' },
      timer: { timer_id: 't1', due_at: '2026-11-21T10:01:00.000Z' },
    },
  },
  { type: 'run.checkpointed', data: { state: {}, version: 1 } },
];
