import { JetStreamApiError } from '@nats-io/jetstream';
import type { Broker } from '@runledger/nest-jetstream';
import { decodeWork, DEFAULT_POOL, encodeWork, workSubject } from '@runledger/wire';
import { setTimeout as pause } from 'node:timers/promises';

/** Discard-new per subject: a message for this run is outstanding already. */
const ALREADY_OUTSTANDING = 10077;

const WAIT_MS = [10, 20, 40, 80, 160, 320, 640];

/**
 * Puts a granted dispatch on the queue. While an older dispatch's message is still out (its holder has parked and not
 * yet acked), the broker refuses a second one: that is waited for, for about a second, and then a Fault.
 */
export async function publishWork(
  broker: Broker,
  tenantId: string,
  runId: string,
  dispatch: number,
): Promise<void> {
  for (const waitMs of WAIT_MS) {
    if (await offer(broker, tenantId, runId, dispatch)) return;
    await pause(waitMs);
  }
  throw new Error(`an older message of run ${runId} is still out: dispatch ${dispatch} is queued later`);
}

/** True when a message for this dispatch, or a later one, is on the queue. */
async function offer(broker: Broker, tenantId: string, runId: string, dispatch: number): Promise<boolean> {
  const subject = workSubject(DEFAULT_POOL, tenantId, runId);
  try {
    await broker.js.publish(subject, encodeWork({ dispatch }), { timeout: 5_000 });
    return true;
  } catch (error) {
    const outstanding =
      error instanceof JetStreamApiError &&
      error.code === ALREADY_OUTSTANDING &&
      /per subject/.test(error.message);
    if (!outstanding) throw error;
  }
  const jsm = await broker.jsm();
  const message = await jsm.streams.getMessage('WORK', { last_by_subj: subject });
  return message !== null && decodeWork(message.string()).dispatch >= dispatch;
}
