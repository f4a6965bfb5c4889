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
