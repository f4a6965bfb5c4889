import { type BrokerOptions, inboxPrefix } from '@runledger/nest-jetstream';
import type { ServiceName, Settings } from './port.ts';

/** Where the broker is and who `service` is there, as `connectBroker` takes it. */
export function brokerAccess(
  { natsUrl, natsCredentials, natsNkey, natsCa, natsCert, natsKey }: Settings,
  service: ServiceName | 'bootstrap',
): Omit<BrokerOptions, 'name'> {
  return {
    url: natsUrl,
    inboxPrefix: inboxPrefix(service),
    ...(natsCredentials === undefined ? {} : { credentials: natsCredentials }),
    ...(natsNkey === undefined ? {} : { nkey: natsNkey }),
    ...(natsCa === undefined ? {} : { ca: natsCa }),
    ...(natsCert === undefined ? {} : { cert: natsCert }),
    ...(natsKey === undefined ? {} : { key: natsKey }),
  };
}
