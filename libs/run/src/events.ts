/**
 * The event catalogue as TypeScript: one entry per event type of a run, with its data.
 * Field names are the wire's (snake_case) and are never renamed or reused; proto/runledger/v1 holds the same schema.
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export const STATUSES = ['queued', 'running', 'waiting', 'stopping', 'success', 'error', 'stopped'] as const;
export type Status = (typeof STATUSES)[number];
export type EndStatus = 'success' | 'error' | 'stopped';

export type Channel = 'api' | 'cli' | 'console' | 'agent' | 'trigger' | 'schedule' | 'webhook';
export type ParkReason =
  'children' | 'approval' | 'budget' | 'unknown_outcome' | 'pause' | 'retry' | 'handover';
export type StopMode = 'cooperative' | 'kill';
export type StepKind = 'model' | 'data' | 'agent' | 'step' | 'clock' | 'random';

/** Who did something: a person through a channel, or a service (`user_id` empty). */
export interface Actor {
  user_id: string;
  channel: Channel;
}

/** Limits of a run and its tree; `null` is unlimited. Money in US dollars as a decimal string. */
export interface Limits {
  max_turns: number | null;
  max_cost_usd: string | null;
  timeout_s: number | null;
  max_attempts: number;
}

/** Tokens and money of one model call; `cost_usd` is a decimal string. */
export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  cost_usd: string;
}

export interface RunError {
  code: string;
  category: 'agent' | 'provider' | 'tool' | 'timeout' | 'budget' | 'limit' | 'system' | 'input';
  title: string;
  detail: string;
  remedy: string;
  retryable: boolean;
}

export interface TimerRef {
  timer_id: string;
  due_at: string;
}

export interface InFlight {
  kind: string;
  name: string;
  started_at: string;
}

export interface EventData {
  'run.requested': {
    agent_id: string;
    agent_name: string;
    agent_revision: number;
    agent_sha256: string;
    /** The whole definition, for an inline agent only. */
    agent?: Json;
    input: Json;
    env_keys: string[];
    tenant_id: string;
    user_id: string;
    workspace_id?: string;
    channel: Channel;
    parent?: { run_id: string; call_id: string };
    root_run_id: string;
    depth: number;
    labels: Record<string, string>;
    priority: number;
    limits: Limits;
    trace: boolean;
    idempotency_key_sha256?: string;
    forked_from?: { run_id: string; seq: number };
    schema: number;
  };
  'run.started': {
    attempt: number;
    dispatch: number;
    work_seq: number;
    delivery: number;
    executor: string;
    pool: string;
    engine: string;
  };
  'attempt.lost': {
    attempt: number;
    executor: string;
    reason: 'lease_expired' | 'executor_stopped' | 'unreachable';
  };
  'run.parked': { dispatch: number; reason: ParkReason; detail: string; timer?: TimerRef };
  'run.unparked': { reason: ParkReason; by?: Actor; dispatch: number };
  'turn.started': { turn: number; model: string };
  'turn.completed': { turn: number; model: string; finish_reason: string; usage: Usage; message: Json };
  'text.appended': { turn: number; message_id: string; channel: 'text' | 'reasoning'; text: string };
  'tool.called': {
    call_id: string;
    index: number;
    turn?: number;
    name: string;
    args: Json;
    idempotent: boolean;
    args_sha256: string;
  };
  'tool.returned': {
    call_id: string;
    index: number;
    is_error: boolean;
    result: Json;
    duration_ms: number;
    outcome: 'done' | 'retried' | 'marked_done' | 'skipped' | 'denied';
  };
  'step.completed': {
    index: number;
    kind: StepKind;
    name: string;
    signature: string;
    result: Json;
    is_error: boolean;
    duration_ms: number;
    usage?: Usage;
  };
  'milestone.reached': { index: number; name: string; detail: string };
  'log.written': {
    index: number;
    level: 'debug' | 'info' | 'warn' | 'error';
    source: 'agent' | 'stdout' | 'stderr' | 'system';
    message: string;
  };
  'cost.added': { source: string; usage: Usage };
  'data.accessed': {
    index: number;
    op: string;
    namespace: string;
    key?: string;
    keys?: string[];
    count?: number;
    found?: boolean;
    preview?: string;
  };
  'child.spawned': { call_id: string; index: number; child_run_id: string; agent_id: string; input: Json };
  'child.ended': { child_run_id: string; status: EndStatus; result?: Json; error?: RunError };
  'stop.requested': { by: Actor; mode: StopMode; reason: string; cascade_from?: string };
  'stop.observed': { boundary: string; in_flight: InFlight[]; latency_ms: number };
  'nudge.received': { nudge_id: string; by: Actor; message: string };
  'nudge.acknowledged': { nudge_id: string; turn: number };
  'approval.requested': {
    approval_id: string;
    call_id: string;
    name: string;
    args: Json;
    args_sha256: string;
    reason: string;
    severity: string;
    due_at: string;
    policy_ids: string[];
  };
  'approval.decided': {
    approval_id: string;
    decision: 'approve' | 'deny';
    by: Actor;
    channel: Channel;
    reason: string;
    scope: string;
  };
  'approval.expired': { approval_id: string };
  'outcome.unknown': { call_id: string; name: string; args: Json };
  'outcome.resolved': {
    call_id: string;
    by: Actor;
    choice: 'retry' | 'mark_done' | 'skip';
    result?: Json;
  };
  'limit.reached': { limit: string; value: string; used: string };
  'limits.raised': { by: Actor; limits: Partial<Limits> };
  'pause.requested': { by: Actor; reason: string };
  'resume.requested': { by: Actor };
  'retry.scheduled': { attempt: number; error: { code: string; detail: string }; timer: TimerRef };
  'run.checkpointed': { state: Json; version: number };
  'run.succeeded': { result: Json; schema_warnings: string[] };
  'run.failed': { error: RunError };
  'run.stopped': { by: Actor; reason: string };
}

export type EventType = keyof EventData;

/** One line of the log. `at` is RFC 3339 UTC with milliseconds; `attempt` is 0 before the first attempt. */
export interface Envelope<T extends string, D> {
  seq: number;
  type: T;
  at: string;
  run_id: string;
  attempt: number;
  data: D;
}

export type RunEvent = { [T in EventType]: Envelope<T, EventData[T]> }[EventType];
export type EventOf<T extends EventType> = Envelope<T, EventData[T]>;
/** An event before it has its place in the log. */
export type DraftEvent = { [T in EventType]: { type: T; data: EventData[T] } }[EventType];
/** What a fold may meet: a known event, or one of a later version, which changes nothing but `seq`. */
export type AnyEvent = RunEvent | Envelope<string, unknown>;

export const END_EVENTS = ['run.succeeded', 'run.failed', 'run.stopped'] as const;
