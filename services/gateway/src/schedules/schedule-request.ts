import { CronFault, isTimeZone, MAX_INLINE_VALUE_BYTES, MISSED, nextDue, OVERLAP } from '@runledger/wire';
import { z } from 'zod';
import { AgentId } from '../agents/agent-definition.ts';
import { ulidOf, Whole } from '../runs/run-path.ts';
import { Labels } from '../runs/start/start-request.ts';

/** The label by which the runs of a schedule are found: every run gets it. */
const OWN_LABEL = 'schedule_id';

const CronExpression = z
  .string()
  .max(200)
  .superRefine((text, context) => {
    const fault = faultOf(text);
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
  })
  .meta({ description: 'Five fields: minute, hour, day of month, month, day of week' });

function faultOf(text: string): string | undefined {
  try {
    const schedule = { cron: text, time_zone: 'UTC', since: new Date().toISOString() };
    return nextDue(schedule, undefined) === undefined ? 'is never due' : undefined;
  } catch (error) {
    if (error instanceof CronFault) return error.message;
    throw error;
  }
}

const TimeZone = z
  .string()
  .max(100)
  .refine(isTimeZone, 'must be a time zone of the IANA database, for example Europe/Berlin')
  .meta({ description: 'Of the IANA database' });

/** Kept in the event of every run as it is. */
const Input = z
  .unknown()
  .refine(
    (input) => Buffer.byteLength(JSON.stringify(input ?? null)) <= MAX_INLINE_VALUE_BYTES,
    `at most ${MAX_INLINE_VALUE_BYTES} bytes`,
  )
  .meta({ description: 'Any JSON' });

const ScheduleLabels = Labels.refine(
  (labels) => !(OWN_LABEL in labels),
  `must not hold ${OWN_LABEL}, which every run of a schedule gets`,
).meta({ description: 'Of every run, beside the label schedule_id' });

const Overlap = z.enum(OVERLAP).meta({
  description: 'skip: no run for a time at which the last run has not ended; allow: one all the same',
});
const Missed = z.enum(MISSED).meta({
  description:
    'Times that passed while nothing could start runs. run_once: one run for all of them; skip: none',
});

export const CreateScheduleRequest = z.strictObject({
  agent_id: AgentId,
  cron: CronExpression,
  time_zone: TimeZone.default('UTC'),
  input: Input.default(null),
  labels: ScheduleLabels.default({}),
  enabled: z.boolean().default(true),
  overlap: Overlap.default('skip'),
  missed: Missed.default('run_once'),
});
export type CreateScheduleRequest = z.infer<typeof CreateScheduleRequest>;

export const ChangeScheduleRequest = z.strictObject({
  agent_id: AgentId.optional(),
  cron: CronExpression.optional(),
  time_zone: TimeZone.optional(),
  input: Input.optional(),
  labels: ScheduleLabels.optional(),
  enabled: z.boolean().optional().meta({ description: 'false pauses it, true resumes it' }),
  overlap: Overlap.optional(),
  missed: Missed.optional(),
});
export type ChangeScheduleRequest = z.infer<typeof ChangeScheduleRequest>;

export const SchedulePath = z.strictObject({ schedule_id: ulidOf('a schedule') });
export type SchedulePath = z.infer<typeof SchedulePath>;

export const ListSchedulesQuery = z.strictObject({
  agent_id: AgentId.optional(),
  limit: Whole(1, 100).optional(),
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, 'must be a cursor of this list')
    .optional(),
});
export type ListSchedulesQuery = z.infer<typeof ListSchedulesQuery>;
