import { PERMISSIONS, type LayoutService } from '@runledger/proto';
import { startBroker, temporaryFolder, type TestBroker } from '@runledger/testkit';
import {
  authorizationConf,
  type Broker,
  connectBroker,
  inboxPrefix,
  type Identity,
  makeIdentity,
} from '../src/index.ts';

export const LAYOUT_SERVICES = Object.keys(PERMISSIONS) as LayoutService[];
const OPERATOR = { user: 'operator', pass: 'operator-word' };

/** A broker that knows the identities of the services and an operator who may do everything. */
export interface LockedBroker {
  server: TestBroker;
  identities: Record<LayoutService, Identity>;
  /** A connection as a service has it. */
  as(service: LayoutService, onError?: (detail: string) => void): Promise<Broker>;
  operator(): Promise<Broker>;
  stop(): Promise<void>;
}

export async function startLockedBroker(pools = ['default']): Promise<LockedBroker> {
  const folder = await temporaryFolder();
  const made = await Promise.all(
    LAYOUT_SERVICES.map(async (name) => [name, await makeIdentity(folder.path, name)] as const),
  );
  const grants = made.map(([name, { publicKey }]) => ({ name, publicKey, permissions: PERMISSIONS[name] }));
  const more = [`{ user: ${OPERATOR.user}, password: ${OPERATOR.pass} }`];
  const server = await startBroker({ config: authorizationConf(grants, { pools, more }), access: OPERATOR });
  const identities = Object.fromEntries(made) as Record<LayoutService, Identity>;
  const { host } = new URL(server.url);
  return {
    server,
    identities,
    as: (service, onError) =>
      connectBroker({
        url: server.url,
        name: service,
        nkey: identities[service].seedFile,
        inboxPrefix: inboxPrefix(service),
        onStatus: ({ type, detail }) => type === 'error' && onError?.(detail),
      }),
    operator: () =>
      connectBroker({ url: `nats://${OPERATOR.user}:${OPERATOR.pass}@${host}`, name: 'operator' }),
    stop: async () => {
      await server.stop();
      await folder.remove();
    },
  };
}
