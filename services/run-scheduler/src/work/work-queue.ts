import { JetStreamApiError } from '@nats-io/jetstream';
import type { Broker } from '@runledger/nest-jetstream';
import { DEFAULT_POOL, encodeWork, workSubject } from '@runledger/wire';

/** Discard-new per subject: a message for this run is outstanding already. */
const ALREADY_OUTSTANDING = 10077;

/** Puts a granted dispatch on the queue. A second message while one is outstanding is refused, which is as good. */
export async function publishWork(
  broker: Broker,
  tenantId: string,
  runId: string,
  dispatch: number,
): Promise<void> {
  try {
    await broker.js.publish(workSubject(DEFAULT_POOL, tenantId, runId), encodeWork({ dispatch }), {
      timeout: 5_000,
    });
  } catch (error) {
    const outstanding =
      error instanceof JetStreamApiError &&
      error.code === ALREADY_OUTSTANDING &&
      /per subject/.test(error.message);
    if (!outstanding) throw error;
  }
}
