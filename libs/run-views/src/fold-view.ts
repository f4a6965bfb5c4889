import type { AnyEvent, EndStatus, EventType, ParkReason, RunError } from '@runledger/run';
import { firstView, raisedLimits } from './first-view.ts';
import { json, oneOf, record, text, textOrNull, texts, whole, wholeOrNull, type Loose } from './lenient.ts';
import { addDecimal } from './money.ts';
import { withApproval, withoutApproval } from './open-approvals.ts';
import { millisBetween } from './recorded-time.ts';
import type { RunView } from './run-view.ts';

/** Operations that a view shows; older ones are counted in `ops_log_dropped`. */
export const OPS_LOG_CAP = 1_000;

type Change = Partial<RunView>;
type Fold = (view: RunView, data: Loose, event: AnyEvent) => Change;

/**
 * The view after one more event; `undefined` while the run has not been requested. Total: unknown types and junk data
 * change nothing but `seq`, and an event that the view already holds changes nothing at all. Whether the event is the
 * next one is for the caller to know (`placeInView`).
 * `digest` is the run's digest after this event; without it the view's digest is unknown, the empty string.
 */
export function foldView(view: RunView | undefined, event: AnyEvent, digest = ''): RunView | undefined {
  if (!Number.isSafeInteger(event.seq)) return view;
  if (!view) return event.type === 'run.requested' ? { ...firstView(event), digest } : undefined;
  if (event.seq <= view.seq) return view;
  const fold =
    !isEnded(view) && Object.hasOwn(FOLDS, event.type) ? FOLDS[event.type as EventType] : undefined;
  const change = fold?.(view, record(event.data), event);
  return { ...view, ...change, seq: event.seq, last_event_at: event.at, digest };
}

/** The view after a whole commit, whose headers carry `digest`. */
export function applyCommit(
  view: RunView | undefined,
  events: readonly AnyEvent[],
  digest: string,
): RunView | undefined {
  const last = events.at(-1);
  return events.reduce<RunView | undefined>(
    (folded, event) => foldView(folded, event, event === last ? digest : ''),
    view,
  );
}

/** The run as it was after these events: `events` are 1..n of one run. */
export const foldEvents = (events: readonly AnyEvent[]): RunView | undefined =>
  applyCommit(undefined, events, '');

/** Whether an event of this type can change more of a view than its place (`seq`, `last_event_at`, `digest`). */
export const changesView = (type: string): boolean =>
  type === 'run.requested' || (Object.hasOwn(FOLDS, type) && FOLDS[type as EventType] !== NOTHING);

export const isEnded = (view: RunView): boolean =>
  view.status === 'success' || view.status === 'error' || view.status === 'stopped';

const NOTHING: Fold = () => ({});

const FOLDS: { [T in EventType]: Fold } = {
  'run.requested': NOTHING,
  'run.started': (view, data, event) => ({
    // A run that is being stopped and changes hands is still being stopped.
    status: view.status === 'stopping' ? 'stopping' : 'running',
    waiting_on: null,
    attempt: whole(data.attempt) || whole(event.attempt),
    started_at: view.started_at ?? event.at,
  }),
  'attempt.lost': NOTHING,
  'run.parked': (view, data) => ({ status: 'waiting', waiting_on: parkReason(data.reason) }),
  'run.unparked': () => ({ status: 'queued', waiting_on: null }),
  'turn.started': (view, data) => ({ current: `Turn ${whole(data.turn)}` }),
  'turn.completed': (view, data) => ({
    current: `Turn ${whole(data.turn)}`,
    usage: { ...added(view, data.usage), turns: view.usage.turns + 1 },
  }),
  'text.appended': NOTHING,
  'tool.called': (view, data) => ({ current: `${text(data.name)} tool call` }),
  'tool.returned': NOTHING,
  'step.completed': (view, data) => (data.usage === undefined ? {} : { usage: added(view, data.usage) }),
  'milestone.reached': (view, data, event) => ({ last_milestone: { name: text(data.name), at: event.at } }),
  'log.written': NOTHING,
  'cost.added': (view, data) => ({ usage: added(view, data.usage) }),
  'data.accessed': withOperation,
  'child.spawned': NOTHING,
  'child.ended': NOTHING,
  'stop.requested': (view, data, event) => ({
    status: 'stopping',
    waiting_on: null,
    // Nothing is decided any more of a run that stops.
    open_approvals: [],
    // The first request; only the mode follows a later one.
    stop: view.stop
      ? { ...view.stop, mode: text(data.mode) }
      : { mode: text(data.mode), reason: text(data.reason), requested_at: event.at },
  }),
  'stop.observed': NOTHING,
  'nudge.received': NOTHING,
  'nudge.acknowledged': NOTHING,
  'approval.requested': withApproval,
  'approval.decided': withoutApproval,
  'approval.expired': withoutApproval,
  'outcome.unknown': NOTHING,
  'outcome.resolved': NOTHING,
  'limit.reached': NOTHING,
  'limits.raised': (view, data) => ({ limits: raisedLimits(view.limits, data.limits) }),
  'pause.requested': NOTHING,
  'resume.requested': NOTHING,
  'retry.scheduled': NOTHING,
  'run.checkpointed': NOTHING,
  'run.succeeded': (view, data, event) => ({
    ...ended(view, 'success', event),
    result: json(data.result),
    schema_warnings: texts(data.schema_warnings),
  }),
  'run.failed': (view, data, event) => ({ ...ended(view, 'error', event), error: errorOf(data.error) }),
  'run.stopped': (view, data, event) => ended(view, 'stopped', event),
};

const PARK_REASONS: readonly ParkReason[] = [
  'children',
  'approval',
  'budget',
  'unknown_outcome',
  'pause',
  'retry',
  'handover',
];

const parkReason = (value: unknown): ParkReason | null =>
  PARK_REASONS.find((reason) => reason === value) ?? null;

function ended(view: RunView, status: EndStatus, event: AnyEvent): Change {
  return {
    status,
    waiting_on: null,
    open_approvals: [],
    completed_at: event.at,
    duration_ms: view.started_at === null ? null : millisBetween(view.started_at, event.at),
  };
}

function added(view: RunView, value: unknown): RunView['usage'] {
  const usage = record(value);
  const exact = addDecimal(view.usage.cost_usd_exact, usage.cost_usd);
  return {
    turns: view.usage.turns,
    input_tokens: view.usage.input_tokens + whole(usage.input_tokens),
    output_tokens: view.usage.output_tokens + whole(usage.output_tokens),
    cost_usd: Number(exact),
    cost_usd_exact: exact,
  };
}

function withOperation(view: RunView, data: Loose, event: AnyEvent): Change {
  const operation = {
    seq: event.seq,
    op: text(data.op),
    namespace: text(data.namespace),
    key: textOrNull(data.key),
    count: wholeOrNull(data.count),
    found: typeof data.found === 'boolean' ? data.found : null,
    preview: textOrNull(data.preview),
  };
  const full = view.ops_log.length >= OPS_LOG_CAP;
  return {
    ops_log: [...(full ? view.ops_log.slice(1 - OPS_LOG_CAP) : view.ops_log), operation],
    ops_log_dropped: view.ops_log_dropped + (full ? 1 : 0),
  };
}

const CATEGORIES: readonly RunError['category'][] = [
  'agent',
  'provider',
  'tool',
  'timeout',
  'budget',
  'limit',
  'system',
  'input',
];

function errorOf(value: unknown): RunError {
  const data = record(value);
  return {
    code: text(data.code),
    category: oneOf(CATEGORIES, data.category, 'system'),
    title: text(data.title),
    detail: text(data.detail),
    remedy: text(data.remedy),
    retryable: data.retryable === true,
  };
}
