import type {
  Actor,
  Channel,
  DraftEvent,
  EndStatus,
  EventData,
  InFlight,
  Json,
  Limits,
  ParkReason,
  RunError,
  StopMode,
  TimerRef,
} from './events.ts';

/** Proof of who asks, for commands that only the holder may give. */
export interface HeldBy {
  executor: string;
  attempt: number;
}

/** Every command there is. Ids, times and names arrive as arguments; `decide` adds nothing of its own. */
export type Command =
  | { type: 'StartRun'; request: EventData['run.requested'] }
  | {
      type: 'BeginAttempt';
      dispatch: number;
      work_seq: number;
      delivery: number;
      executor: string;
      pool: string;
      engine: string;
      /** Set when this takes over from a holder that is gone. */
      lost?: EventData['attempt.lost']['reason'];
    }
  /** Progress of the holder: the types of the table's "progress" rows, in the order they became true. */
  | { type: 'RecordProgress'; held_by: HeldBy; events: DraftEvent[] }
  | { type: 'ParkRun'; held_by: HeldBy; reason: ParkReason; detail: string; timer?: TimerRef }
  | { type: 'UnparkRun'; reason: ParkReason; by?: Actor }
  | { type: 'SucceedRun'; held_by: HeldBy; result: Json; schema_warnings: string[] }
  /** `held_by` is absent when a service ends a run that nobody holds (too old, agent gone). */
  | { type: 'FailRun'; held_by?: HeldBy; error: RunError }
  | { type: 'ScheduleRetry'; held_by: HeldBy; error: { code: string; detail: string }; timer: TimerRef }
  | { type: 'FireRetry'; timer_id: string }
  | { type: 'RequestStop'; by: Actor; mode: StopMode; reason: string; cascade_from?: string }
  /** Stop of a child that its parent lists but nobody created: all three events at once, so a late creation is refused. */
  | {
      type: 'StopAbsentChild';
      request: EventData['run.requested'];
      by: Actor;
      mode: StopMode;
      reason: string;
      cascade_from: string;
    }
  | { type: 'ObserveStop'; held_by: HeldBy; boundary: string; in_flight: InFlight[]; latency_ms: number }
  /** `held_by` is absent when the scheduler finishes a stop that nobody holds. */
  | { type: 'FinishStop'; held_by?: HeldBy; by: Actor; reason: string }
  | { type: 'EndChild'; child_run_id: string; status: EndStatus; result?: Json; error?: RunError }
  | { type: 'SendNudge'; nudge_id: string; by: Actor; message: string }
  | {
      type: 'DecideApproval';
      approval_id: string;
      decision: 'approve' | 'deny';
      by: Actor;
      channel: Channel;
      reason: string;
      scope: string;
    }
  | { type: 'ExpireApproval'; approval_id: string }
  | {
      type: 'ResolveOutcome';
      call_id: string;
      by: Actor;
      choice: 'retry' | 'mark_done' | 'skip';
      result?: Json;
    }
  | { type: 'RaiseLimits'; by: Actor; limits: Partial<Limits> }
  | { type: 'PauseRun'; by: Actor; reason: string }
  | { type: 'ResumeRun'; by: Actor }
  | { type: 'CheckpointRun'; held_by: HeldBy };

export type CommandType = Command['type'];

/** The closed list of what the domain may say no with. */
export const REFUSALS = [
  'run_not_found',
  'run_already_exists',
  'run_already_ended',
  'run_stopping',
  'run_not_running',
  'run_not_waiting',
  'not_the_holder',
  'stale_dispatch',
  'condition_already_met',
  'event_not_allowed',
  'child_unknown',
  'spawn_refused',
  'approval_unknown',
  'approval_already_decided',
  'call_unknown',
  'outcome_not_unknown',
  'timer_superseded',
  'limit_not_raised',
  'limit_reached',
  'children_live',
] as const;
export type RefusalCode = (typeof REFUSALS)[number];

export interface Refusal {
  code: RefusalCode;
  detail: string;
}

/** Events to append (none: it is already so), or the domain's no. */
export type Decision =
  { events: DraftEvent[]; refusal?: undefined } | { events?: undefined; refusal: Refusal };

/** What follows elsewhere from one event. Ids are derived from the event, so that a repeat is harmless. */
export type Reaction =
  /** The run wants a slot: admit it under its root's limits. */
  | { type: 'admit'; run_id: string; dispatch: number }
  /** Dispatch again at once, without admission. */
  | { type: 'dispatch'; run_id: string; dispatch: number }
  /** The run holds its slot no longer. */
  | { type: 'release'; run_id: string }
  | {
      type: 'set_timer';
      kind: 'retry' | 'approval' | 'deadline';
      run_id: string;
      timer_id: string;
      due_at: string;
    }
  /** A command for another run of the same tenant. */
  | { type: 'command'; run_id: string; command: Command }
  /** Stop a child; when it was never created, `StopAbsentChild` with what `child.spawned` holds. */
  | { type: 'stop_child'; run_id: string; by: Actor; mode: StopMode; reason: string; cascade_from: string };
