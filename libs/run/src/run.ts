import type {
  Channel,
  EndStatus,
  InFlight,
  Limits,
  ParkReason,
  Status,
  StopMode,
  TimerRef,
} from './events.ts';

/** The executor that may append progress now: the one named by the latest `run.started`. */
export interface Holder {
  executor: string;
  attempt: number;
  dispatch: number;
  work_seq: number;
  delivery: number;
}

export interface Child {
  child_run_id: string;
  call_id: string;
  agent_id: string;
  index: number;
  status: 'live' | EndStatus;
}

export interface OpenCall {
  call_id: string;
  index: number;
  name: string;
  idempotent: boolean;
  /** `unknown` after `outcome.unknown`, until it is resolved. */
  state: 'called' | 'unknown';
}

/**
 * A run as commands need it: small (a checkpoint is at most 32 KiB), without transcripts, inputs or results.
 * `status` is `none` before `run.requested`.
 */
export interface Run {
  run_id: string;
  seq: number;
  status: 'none' | Status;
  waiting_on: ParkReason | null;
  tenant_id: string;
  user_id: string;
  workspace_id: string | null;
  agent_id: string;
  agent_revision: number;
  channel: Channel | null;
  parent: { run_id: string; call_id: string } | null;
  root_run_id: string;
  depth: number;
  priority: number;
  limits: Limits;
  /** Number of starts so far; the current attempt. */
  attempt: number;
  /** Number of grants the run has used or been promised: that of the latest `run.started` or `run.unparked`. */
  dispatch: number;
  holder: Holder | null;
  /** Attempts lost in a row without a new recorded step. */
  lost_in_a_row: number;
  /** Attempts that the agent itself failed; only these count against `max_attempts`. */
  failed_attempts: number;
  turns: number;
  requested_at: string;
  started_at: string | null;
  ended_at: string | null;
  /** The timer that the run waits on, if any. */
  timer: TimerRef | null;
  /** The first request; only `mode` follows a later one from cooperative to kill. */
  stop: {
    mode: StopMode;
    reason: string;
    by_user_id: string;
    by_channel: Channel;
    requested_at: string;
    requested_seq: number;
  } | null;
  stop_observed: { boundary: string; in_flight: InFlight[]; latency_ms: number; seq: number } | null;
  pause_requested: boolean;
  children: Child[];
  open_calls: OpenCall[];
  /** When each open call and each live child began. */
  calls_since: { call_id: string; at: string }[];
  approvals: {
    approval_id: string;
    call_id: string;
    due_at: string;
    state: 'open' | 'approve' | 'deny' | 'expired';
    decided_by: string | null;
  }[];
  /** Nudges received and not yet acknowledged, oldest first. */
  nudges: { nudge_id: string }[];
  /** The limit that the run is stuck at, until it is raised. */
  limit_reached: string | null;
  /** `seq` of the latest `run.checkpointed`; 0: none. */
  checkpoint_seq: number;
}
