import { headers } from '@nats-io/nats-core';
import type { Broker } from '@runledger/nest-jetstream';
import type { RunAddress } from '@runledger/run-log';
import { dueSubject, timerSubject } from '@runledger/wire';

export type TimerKind = 'retry' | 'approval' | 'deadline';

export interface Timer {
  kind: TimerKind;
  timer_id: string;
  /** RFC 3339. What is past already fires at once. */
  due_at: string;
}

/**
 * Sets a timer of a run. Setting it again replaces it: one schedule per timer. It is never cancelled; a timer that fires
 * for nothing is refused by the run's state.
 */
export async function setTimer(
  broker: Broker,
  { tenant_id, run_id }: RunAddress,
  timer: Timer,
): Promise<void> {
  const head = headers();
  head.set('Nats-Schedule', `@at ${new Date(timer.due_at).toISOString()}`);
  head.set('Nats-Schedule-Target', dueSubject(timer.kind, tenant_id, run_id, timer.timer_id));
  await broker.js.publish(
    timerSubject(timer.kind, tenant_id, run_id, timer.timer_id),
    JSON.stringify({ due_at: timer.due_at }),
    {
      headers: head,
      timeout: 5_000,
    },
  );
}

/** What a schedule's timer says when it fires. */
export interface ScheduleTimer {
  /** RFC 3339 */
  due_at: string;
  /** Of the definition in its bucket that the time was computed from. */
  revision: number;
}

/** Sets the one timer of a schedule, and replaces what was set before. What is past already fires at once. */
export async function setScheduleTimer(
  broker: Broker,
  tenantId: string,
  scheduleId: string,
  timer: ScheduleTimer,
): Promise<void> {
  const head = headers();
  head.set('Nats-Schedule', `@at ${timer.due_at}`);
  head.set('Nats-Schedule-Target', dueSubject('schedule', tenantId, scheduleId, 'next'));
  const subject = timerSubject('schedule', tenantId, scheduleId, 'next');
  await broker.js.publish(subject, JSON.stringify(timer), { headers: head, timeout: 5_000 });
}
