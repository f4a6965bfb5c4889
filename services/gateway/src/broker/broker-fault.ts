import { errors } from '@nats-io/transport-node';
import { JetStreamApiError, JetStreamError } from '@nats-io/jetstream';

/** Whether an error says that the broker cannot be reached or does not answer now. */
export function isBrokerFault(error: unknown): boolean {
  return (
    BROKER_FAULTS.some((fault) => error instanceof fault) ||
    (error instanceof JetStreamApiError && error.status >= 500) ||
    (error instanceof Error && error.name === 'JetStreamNotEnabled')
  );
}

/** The broker's way of saying that a batch has no messages. */
export const isNothingFound = (error: unknown): boolean =>
  error instanceof Error && /no results|message not found/i.test(error.message);

const BROKER_FAULTS = [
  errors.ClosedConnectionError,
  errors.ConnectionError,
  errors.DrainingConnectionError,
  errors.NoRespondersError,
  errors.RequestError,
  errors.TimeoutError,
  JetStreamError,
];
