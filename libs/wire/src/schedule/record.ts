import { createHash } from 'node:crypto';
import type { Json } from '@runledger/run';
import { assertId, Poison } from '../ids.ts';
import { bucketSubject } from '../subjects.ts';
import { Cron } from './cron.ts';

/** `skip`: no run for a due time at which the schedule's last run has not ended. */
export const OVERLAP = ['skip', 'allow'] as const;
/** Due times that passed while nobody could fire them: `run_once` starts one run for the latest, `skip` none. */
export const MISSED = ['run_once', 'skip'] as const;

/** A record in bucket `schedules`. Written by the gateway. */
export interface Schedule {
  schedule_id: string;
  tenant_id: string;
  user_id: string;
  agent_id: string;
  input: Json;
  labels: Record<string, string>;
  cron: string;
  time_zone: string;
  enabled: boolean;
  overlap: (typeof OVERLAP)[number];
  missed: (typeof MISSED)[number];
  /** RFC 3339. Due times begin after this: when it was made, or its times were changed last, or it was enabled last. */
  since: string;
  created_at: string;
  updated_at: string;
  /** Of the request that made it under an idempotency key. */
  request_sha256?: string;
}

/** What became of a schedule's last due time. Written by the run-scheduler. */
export interface ScheduleState {
  due_at: string;
  outcome: 'started' | 'overlap_skipped' | 'missed_skipped' | 'agent_not_found';
  /** The last run that was started, at this due time or an earlier one. */
  run_id: string | null;
}

/** Every definition of a schedule. */
export const ALL_SCHEDULES = bucketSubject('schedules', 'def.*.*');

export const scheduleKey = (tenantId: string, scheduleId: string): string =>
  `def.${owned(tenantId, scheduleId)}`;
export const scheduleStateKey = (tenantId: string, scheduleId: string): string =>
  `state.${owned(tenantId, scheduleId)}`;

export function parseScheduleSubject(subject: string): { tenant_id: string; schedule_id: string } {
  const [kv, bucket, def, tenant, schedule, ...rest] = subject.split('.');
  if (kv !== '$KV' || bucket !== 'schedules' || def !== 'def' || rest.length > 0)
    throw new Poison('invalid_subject', `not the definition of a schedule: ${subject}`);
  return { tenant_id: assertId('tenant_id', tenant), schedule_id: assertId('run_id', schedule) };
}

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The run of one due time (milliseconds since the epoch): always the same, so that it is started at most once. */
export function scheduledRunId(tenantId: string, scheduleId: string, dueAt: number): string {
  return ulidOf(dueAt, `${tenantId}.${scheduleId}.${dueAt}`);
}

/** The schedule that is made under an idempotency key, which is a hash of tenant, user and key: always the same. */
export function scheduleIdFor(idempotencyKeySha256: string): string {
  // Its time says nothing: nobody knows when the key was used first.
  return ulidOf(0, `schedule.${idempotencyKeySha256}`);
}

function ulidOf(at: number, text: string): string {
  const digest = createHash('sha256').update(text).digest();
  const time = Array.from({ length: 10 }, (_, index) => Math.floor(at / 32 ** (9 - index)) % 32);
  const chance = [...digest.subarray(0, 16)].map((byte) => byte % 32);
  return [...time, ...chance].map((digit) => CROCKFORD[digit]).join('');
}

/** The first due time of a schedule that was not handled yet, in milliseconds since the epoch; `undefined`: never. */
export function nextDue(
  schedule: Pick<Schedule, 'cron' | 'time_zone' | 'since'>,
  state: Pick<ScheduleState, 'due_at'> | undefined,
): number | undefined {
  const handled = state === undefined ? -Infinity : Date.parse(state.due_at);
  return new Cron(schedule.cron).next(Math.max(Date.parse(schedule.since), handled), schedule.time_zone);
}

const owned = (tenantId: string, scheduleId: string): string =>
  `${assertId('tenant_id', tenantId)}.${assertId('run_id', scheduleId)}`;
