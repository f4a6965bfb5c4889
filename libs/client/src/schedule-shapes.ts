import type { Json } from './api-shapes.ts';

/** A schedule as it is listed. Times are ISO-8601 in UTC. */
export interface ScheduleSummary {
  schedule_id: string;
  user_id: string;
  agent_id: string;
  /** Five fields. */
  cron: string;
  time_zone: string;
  labels: Record<string, string>;
  enabled: boolean;
  overlap: 'skip' | 'allow';
  missed: 'run_once' | 'skip';
  /** The first time that was not handled yet; `null` while it is paused. */
  next_due_at: string | null;
  /** What became of the last due time. */
  last: {
    due_at: string;
    outcome: 'started' | 'overlap_skipped' | 'missed_skipped' | 'agent_not_found';
  } | null;
  /** The last run that it started, at that time or an earlier one. */
  last_run_id: string | null;
  created_at: string;
  updated_at: string;
}

export interface Schedule extends ScheduleSummary {
  input: Json;
}

export interface SchedulePage {
  schedules: ScheduleSummary[];
  next_cursor: string | null;
}

/** The body of `POST /schedules`. */
export interface CreateScheduleRequest {
  agent_id: string;
  cron: string;
  time_zone?: string | undefined;
  input?: Json | undefined;
  labels?: Record<string, string> | undefined;
  enabled?: boolean | undefined;
  overlap?: 'skip' | 'allow' | undefined;
  missed?: 'run_once' | 'skip' | undefined;
}

/** What is absent stays as it is. */
export type ChangeScheduleRequest = Partial<CreateScheduleRequest>;
