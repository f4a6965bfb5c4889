/** What the HTTP API answers, in its own names. Fields that a later server adds are kept in the objects, only untyped. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type RunStatus = 'queued' | 'running' | 'waiting' | 'stopping' | 'success' | 'error' | 'stopped';
export type EndStatus = Extract<RunStatus, 'success' | 'error' | 'stopped'>;

export function isEnded(status: string): status is EndStatus {
  return status === 'success' || status === 'error' || status === 'stopped';
}

export interface RunFailure {
  code: string;
  category: string;
  title: string;
  detail: string;
  remedy: string;
  retryable: boolean;
}

/** Money in US dollars, as a number. */
export interface RunUsage {
  turns: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number;
}

/** `null` is unlimited. Money in US dollars: a number, or a decimal string as the log keeps it. */
export interface RunLimits {
  max_turns: number | null;
  max_cost_usd: number | string | null;
  timeout_s: number | null;
  max_attempts: number;
}

/** A row of `GET /runs`. Times are ISO-8601 in UTC. */
export interface RunSummary {
  run_id: string;
  user_id: string;
  agent_id: string;
  agent_name: string;
  agent_revision: number;
  channel: string;
  status: RunStatus;
  waiting_on: string | null;
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  duration_ms: number | null;
  attempt: number;
  seq: number;
  labels: Record<string, string>;
  parent_run_id: string | null;
  root_run_id: string;
  queue_position?: number | null;
}

/** `GET /runs/{run_id}`: the whole run. `seq` and `digest` are those of its last event. */
export interface Run extends RunSummary {
  tenant_id: string;
  input: Json;
  result: Json;
  error: RunFailure | null;
  schema_warnings: string[];
  usage: RunUsage;
  limits: RunLimits;
  digest: string;
  last_milestone?: { name: string; at: string } | null;
  current?: string | null;
  last_event_at?: string | null;
  stop?: { mode: string; reason: string; requested_at: string } | null;
  open_approvals?: Omit<OpenApproval, 'run_id' | 'agent_id' | 'agent_name'>[];
}

export interface RunPage {
  runs: RunSummary[];
  next_cursor: string | null;
}

export interface RunQuery {
  agent_id?: string | undefined;
  status?: readonly string[] | undefined;
  /** Only runs that carry this label. */
  label?: { key: string; value: string } | undefined;
  parent_run_id?: string | undefined;
  root_run_id?: string | undefined;
  q?: string | undefined;
  /** Rows per page, at most 100. */
  limit?: number | undefined;
  cursor?: string | undefined;
  /** `<run_id>:<seq>`: wait until the list shows that run at least at that event. */
  min_seq?: string | undefined;
}

/** The body of `POST /agents/run-code/start`: `agent_id`, or a whole definition in `agent`. */
export interface StartRequest {
  agent_id?: string | undefined;
  agent?: Json | undefined;
  input?: Json | undefined;
  env?: Record<string, string> | undefined;
  limits?:
    | {
        max_turns?: number | undefined;
        max_cost_usd?: number | undefined;
        timeout_s?: number | undefined;
        max_attempts?: number | undefined;
      }
    | undefined;
  labels?: Record<string, string> | undefined;
  /** -10 to 10. */
  priority?: number | undefined;
  workspace_id?: string | undefined;
  trace?: boolean | undefined;
}

export interface StartedRun {
  run_id: string;
  status: RunStatus;
  seq: number;
  /** True when this key had started the run before. */
  replayed: boolean;
}

export interface StopAnswer {
  run_id: string;
  status: RunStatus;
}

/** What a change of a run answers: the run after it, `seq` that of its last event. */
export interface ControlAnswer {
  run_id: string;
  status: RunStatus;
  seq: number;
}

export interface SentNudge {
  nudge_id: string;
  seq: number;
}

/** Money in US dollars, as a number. */
export interface RaisedLimits {
  max_turns?: number | undefined;
  max_cost_usd?: number | undefined;
  timeout_s?: number | undefined;
  max_attempts?: number | undefined;
}

/** What became of a tool call: do it again, take it as done (with a result, default null), or go on without it. */
export interface OutcomeChoice {
  choice: 'retry' | 'mark_done' | 'skip';
  /** With `mark_done` only. */
  result?: Json | undefined;
}

/** What a run asks people for and nobody has decided. */
export interface OpenApproval {
  run_id: string;
  agent_id: string;
  agent_name: string;
  /** The event that asks for it, which has the whole arguments. */
  seq: number;
  approval_id: string;
  call_id: string;
  name: string;
  /** JSON of the arguments, its first 200 characters. */
  args_preview: string;
  args_sha256: string;
  reason: string;
  severity: string;
  requested_at: string;
  due_at: string;
}

export interface ApprovalPage {
  approvals: OpenApproval[];
  next_cursor: string | null;
}

export interface ApprovalDecision {
  decision: 'approve' | 'deny';
  reason?: string | undefined;
}

/** A run of a tree. `spawned`: its parent has it on record and it is not created yet. */
export interface TreeRun {
  run_id: string;
  agent_id: string;
  status: RunStatus | 'spawned' | 'erased';
  parent_run_id: string | null;
  depth: number;
  stop: { requested_at: string; mode: string; reason: string } | null;
  /** What the run was at when it saw the stop, and how long that took it. */
  receipt: {
    boundary: string;
    in_flight: { kind: string; name: string; started_at: string }[];
    latency_ms: number;
    seq: number;
  } | null;
  /** Its children whose end it has not been told of. */
  waiting_for: string[];
}

/** `runs`: the run first, then level by level. `truncated`: there are more. */
export interface RunTree {
  run_id: string;
  status: TreeRun['status'];
  runs: TreeRun[];
  truncated: boolean;
}

/** One event as its stored line says. `at` is RFC 3339 UTC with milliseconds. */
export interface RunEvent {
  seq: number;
  type: string;
  at: string;
  run_id: string;
  attempt: number;
  data: Record<string, unknown>;
}

export interface EventPage {
  events: RunEvent[];
  next_after: number;
  has_more: boolean;
}

/** An event with the stored line that carried it, byte for byte, without the newline. */
export interface StoredEvent {
  seq: number;
  type: string;
  line: string;
  event: RunEvent;
}

export interface Agent {
  agent_id: string;
  name: string;
  description?: string;
  kind?: string;
  revision?: number;
}

/** `GET /me`: who the credential is. */
export interface Principal {
  tenant_id: string;
  user_id: string;
  scopes?: string[];
  [field: string]: unknown;
}

/** The answer of `/healthz` or `/readyz`. `server_time` is the answer's `Date`, to the second. */
export interface Health {
  ok: boolean;
  status: number;
  body: unknown;
  latency_ms: number;
  server_time: Date | null;
}
