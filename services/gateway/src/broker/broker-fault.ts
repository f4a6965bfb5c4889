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

const BROKER_FAULTS = [
  errors.ClosedConnectionError,
  errors.ConnectionError,
  errors.DrainingConnectionError,
  errors.NoRespondersError,
  errors.RequestError,
  errors.TimeoutError,
  JetStreamError,
];
