import type { AnyEvent, EventOf, EventType } from './events.ts';

type Check = (value: unknown) => boolean;

const text: Check = (value) => typeof value === 'string';
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const integer: Check = (value) => Number.isSafeInteger(value);
const flag: Check = (value) => typeof value === 'boolean';

function oneOf(...values: string[]): Check {
  return (value) => typeof value === 'string' && values.includes(value);
}

function orNull(check: Check): Check {
  return (value) => value === null || check(value);
}

function optional(check: Check): Check {
  return (value) => value === undefined || check(value);
}

function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every(check);
}

function record(fields: Record<string, Check>): Check {
  const entries = Object.entries(fields);
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const object = value as Record<string, unknown>;
    return entries.every(([name, check]) => check(object[name]));
  };
}

const channel = oneOf('api', 'cli', 'console', 'agent', 'trigger', 'schedule', 'webhook');
const actor = record({ user_id: text, channel });
const timer = record({ timer_id: text, due_at: text });
const reason = oneOf('children', 'approval', 'budget', 'unknown_outcome', 'pause', 'retry', 'handover');
const amount: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const limits = {
  max_turns: orNull(count),
  max_cost_usd: orNull(text),
  timeout_s: orNull(amount),
  max_attempts: count,
};
const someLimits = record(
  Object.fromEntries(Object.entries(limits).map(([name, check]) => [name, optional(check)])),
);

/** What the domain reads of each event's data. Types that are not listed are not read at all. */
const shapes: { [T in EventType]?: Check } = {
  'run.requested': record({
    agent_id: text,
    agent_revision: integer,
    tenant_id: text,
    user_id: text,
    workspace_id: optional(text),
    channel,
    parent: optional(record({ run_id: text, call_id: text })),
    root_run_id: text,
    depth: count,
    priority: integer,
    limits: record(limits),
  }),
  'run.started': record({
    attempt: count,
    dispatch: count,
    work_seq: count,
    delivery: count,
    executor: text,
  }),
  'attempt.lost': record({ attempt: count }),
  'run.parked': record({ dispatch: count, reason, timer: optional(timer) }),
  'run.unparked': record({ reason, dispatch: count }),
  'turn.completed': record({ turn: count }),
  'tool.called': record({ call_id: text, index: integer, name: text, idempotent: flag }),
  'tool.returned': record({
    call_id: text,
    outcome: oneOf('done', 'retried', 'marked_done', 'skipped', 'denied'),
  }),
  'child.spawned': record({ call_id: text, index: integer, child_run_id: text, agent_id: text }),
  'child.ended': record({ child_run_id: text, status: oneOf('success', 'error', 'stopped') }),
  'stop.requested': record({ by: actor, mode: oneOf('cooperative', 'kill'), reason: text }),
  'stop.observed': record({
    boundary: text,
    in_flight: listOf(record({ kind: text, name: text, started_at: text })),
    latency_ms: amount,
  }),
  'nudge.received': record({ nudge_id: text }),
  'nudge.acknowledged': record({ nudge_id: text }),
  'approval.requested': record({ approval_id: text, call_id: text, due_at: text }),
  'approval.decided': record({ approval_id: text, decision: oneOf('approve', 'deny'), by: actor }),
  'approval.expired': record({ approval_id: text }),
  'outcome.unknown': record({ call_id: text }),
  'outcome.resolved': record({ call_id: text, choice: oneOf('retry', 'mark_done', 'skip') }),
  'limit.reached': record({ limit: text }),
  'limits.raised': record({ limits: someLimits }),
  'step.completed': record({}),
  'milestone.reached': record({}),
  'pause.requested': record({}),
  'resume.requested': record({}),
  'run.checkpointed': record({}),
  'retry.scheduled': record({ timer }),
  'run.succeeded': record({}),
  'run.failed': record({ error: record({ code: text }) }),
  'run.stopped': record({ by: actor, reason: text }),
};

const checks: ReadonlyMap<string, Check> = new Map(Object.entries(shapes));

/** Whether what the domain reads of `data` for this type is there and of the right kind. True for types it does not read. */
export function isReadable(type: string, data: unknown): boolean {
  const check = checks.get(type);
  return check === undefined || check(data);
}

export function isEventOf<T extends EventType>(event: AnyEvent, type: T): event is EventOf<T> {
  return event.type === type && isReadable(type, event.data);
}
