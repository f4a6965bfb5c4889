import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import type { Broker } from './port.ts';

/** Whether a stream is there. Throws when the broker cannot tell. */
export async function streamExists(broker: Broker, stream: string): Promise<boolean> {
  const jsm = await broker.jsm();
  try {
    await jsm.streams.info(stream);
    return true;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return false;
    throw error;
  }
}
