import type { Channel, EndStatus, Json, Limits, ParkReason, RunError, Status } from '@runledger/run';

/** A run as people see it (`GET /runs/{run_id}`), without its queue position, which is not part of the log. */
export interface RunView {
  run_id: string;
  tenant_id: string;
  user_id: string;
  workspace_id: string | null;
  agent_id: string;
  agent_name: string;
  agent_revision: number;
  channel: Channel;
  status: Status;
  waiting_on: ParkReason | null;
  input: Json;
  result: Json;
  error: RunError | null;
  schema_warnings: string[];
  /** Operations on data stores, oldest first: the newest `OPS_LOG_CAP` of them. The log has them all. */
  ops_log: {
    seq: number;
    op: string;
    namespace: string;
    key: string | null;
    count: number | null;
    found: boolean | null;
    preview: string | null;
  }[];
  /** How many older operations `ops_log` leaves out. */
  ops_log_dropped: number;
  created_at: string;
  /** The first start; later attempts do not move it. */
  started_at: string | null;
  completed_at: string | null;
  /** From the first start to the end, as recorded; null before the end and for a run that never started. */
  duration_ms: number | null;
  attempt: number;
  seq: number;
  /** The run's digest after `seq`; empty when the fold was not told (`seq` is inside a commit). */
  digest: string;
  /** `cost_usd` is a number of US dollars, as the API shows money; `cost_usd_exact` is the sum it stands for, as a decimal string. */
  usage: {
    turns: number;
    input_tokens: number;
    output_tokens: number;
    cost_usd: number;
    cost_usd_exact: string;
  };
  limits: Limits;
  labels: Record<string, string>;
  priority: number;
  parent_run_id: string | null;
  root_run_id: string;
  depth: number;
  forked_from: { run_id: string; seq: number } | null;
  last_milestone: { name: string; at: string } | null;
  /** The newest tool call or turn: `Bash tool call`, `Turn 7`. */
  current: string | null;
  last_event_at: string;
  trace: boolean;
  stop: { mode: string; reason: string; requested_at: string } | null;
  /** What the run asks people for and nobody has decided, oldest first: at most `OPEN_APPROVALS_CAP`. */
  open_approvals: OpenApproval[];
}

export interface OpenApproval {
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

/** A row of `GET /runs`: no input beyond a preview, no result, no events. */
export type RunSummary = Pick<
  RunView,
  | 'run_id'
  | 'user_id'
  | 'workspace_id'
  | 'agent_id'
  | 'agent_name'
  | 'agent_revision'
  | 'channel'
  | 'status'
  | 'waiting_on'
  | 'created_at'
  | 'started_at'
  | 'completed_at'
  | 'duration_ms'
  | 'attempt'
  | 'seq'
  | 'labels'
  | 'priority'
  | 'parent_run_id'
  | 'root_run_id'
  | 'usage'
> & { error: { code: string; title: string } | null; open_approvals: number };

export type RunEndStatus = EndStatus;
