import { headers } from '@nats-io/nats-core';
import type { Broker } from '@runledger/nest-jetstream';
import type { RunAddress } from '@runledger/run-log';
import { dueSubject, timerSubject } from '@runledger/wire';

const STREAM = 'TIMERS';
const KIND = 'admission';
const TIMER = 'settle';

/**
 * Asks the scheduler to make its ledger agree with the run as it is, by a timer that is due at once: nobody else changes
 * who waits and who has a slot. Answers whether it did. One ask is enough, however long a scheduler takes to come to it;
 * of several replicas that have seen the run at the same `seq` the broker takes the first.
 */
export async function askToSettle(
  broker: Pick<Broker, 'js' | 'jsm'>,
  { tenant_id, run_id }: RunAddress,
  seq: number,
): Promise<boolean> {
  const due = dueSubject(KIND, tenant_id, run_id, TIMER);
  const jsm = await broker.jsm();
  if ((await jsm.streams.getMessage(STREAM, { last_by_subj: due })) !== null) return false;
  const due_at = new Date().toISOString();
  const head = headers();
  head.set('Nats-Schedule', `@at ${due_at}`);
  head.set('Nats-Schedule-Target', due);
  const { duplicate } = await broker.js.publish(
    timerSubject(KIND, tenant_id, run_id, TIMER),
    JSON.stringify({ due_at }),
    { headers: head, timeout: 5_000, msgID: `${KIND}.${tenant_id}.${run_id}.${seq}` },
  );
  return !duplicate;
}
