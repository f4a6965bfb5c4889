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
  ops_log: { seq: number; op: string; namespace: string; key: string | null; count: number | null; found: boolean | null; preview: string | null }[];
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  duration_ms: number | null;
  attempt: number;
  seq: number;
  digest: string;
  /** `cost_usd` is a number of US dollars, as the API shows money. */
  usage: { turns: number; input_tokens: number; output_tokens: number; cost_usd: number };
  limits: Limits;
  labels: Record<string, string>;
  priority: number;
  parent_run_id: string | null;
  root_run_id: string;
  depth: number;
  forked_from: { run_id: string; seq: number } | null;
  /** What the CLI's `status` shows of recent progress. */
  last_milestone: { name: string; at: string } | null;
  current: string | null;
  last_event_at: string;
  trace: boolean;
  stop: { mode: string; reason: string; requested_at: string } | null;
}

/** A row of `GET /runs`: no input beyond a preview, no result, no events. */
export type RunSummary = Pick<
  RunView,
  | 'run_id' | 'user_id' | 'workspace_id' | 'agent_id' | 'agent_name' | 'agent_revision' | 'channel' | 'status' | 'waiting_on' | 'created_at'
  | 'started_at' | 'completed_at' | 'duration_ms' | 'attempt' | 'seq' | 'labels' | 'priority' | 'parent_run_id' | 'root_run_id' | 'usage'
> & { error: { code: string; title: string } | null };

export type RunEndStatus = EndStatus;
