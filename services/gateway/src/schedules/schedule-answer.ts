import { nextDue, type Schedule, type ScheduleState } from '@runledger/wire';
import { z } from 'zod';

export const ScheduleAnswer = z.object({
  schedule_id: z.string(),
  user_id: z.string(),
  agent_id: z.string(),
  cron: z.string(),
  time_zone: z.string(),
  input: z.unknown().meta({ description: 'Any JSON' }),
  labels: z.record(z.string(), z.string()),
  enabled: z.boolean(),
  overlap: z.string(),
  missed: z.string(),
  next_due_at: z.string().nullable().meta({
    description: 'The first time that was not handled yet; null while it is paused',
  }),
  last: z
    .object({
      due_at: z.string(),
      outcome: z.enum(['started', 'overlap_skipped', 'missed_skipped', 'agent_not_found']),
    })
    .nullable()
    .meta({ description: 'What became of the last due time' }),
  last_run_id: z.string().nullable().meta({
    description: 'The last run that it started, at that time or an earlier one',
  }),
  created_at: z.string(),
  updated_at: z.string(),
});
export type ScheduleAnswer = z.infer<typeof ScheduleAnswer>;

export const ScheduleListAnswer = z.object({
  schedules: z.array(ScheduleAnswer.omit({ input: true })),
  next_cursor: z.string().nullable(),
});
export type ScheduleListAnswer = z.infer<typeof ScheduleListAnswer>;

export function presentSchedule(schedule: Schedule, state: ScheduleState | undefined): ScheduleAnswer {
  const { schedule_id, user_id, agent_id, cron, time_zone, input, labels } = schedule;
  const { enabled, overlap, missed, created_at, updated_at } = schedule;
  const due = enabled ? nextDue(schedule, state) : undefined;
  return {
    schedule_id,
    user_id,
    agent_id,
    cron,
    time_zone,
    input,
    labels,
    enabled,
    overlap,
    missed,
    next_due_at: due === undefined ? null : new Date(due).toISOString(),
    last: state ? { due_at: state.due_at, outcome: state.outcome } : null,
    last_run_id: state?.run_id ?? null,
    created_at,
    updated_at,
  };
}
