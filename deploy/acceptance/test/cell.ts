import { join } from 'node:path';
import { Kvm } from '@nats-io/kv';
import { RunledgerClient } from '@runledger/client';
import {
  authorizationConf,
  bootstrap,
  connectBroker,
  makeIdentity,
  type Broker,
  type Identity,
} from '@runledger/nest-jetstream';
import { LAYOUT, PERMISSIONS } from '@runledger/proto';
import { startBroker, freePort, temporaryFolder, type TestBroker } from '@runledger/testkit';
import { agentKey } from '@runledger/wire';
import { SAMPLE_AGENTS } from '../../../services/agent-executor/src/samples.ts';
import { createApiKey, SCOPES } from '../../../services/gateway/src/keys/index.ts';
import { ServiceProcess } from './service-process.ts';

export const SERVICES = ['gateway', 'run-scheduler', 'agent-executor', 'reconciler'] as const;
export type Name = (typeof SERVICES)[number];

export interface CellOptions {
  /** Processes of each service; default one. The gateway is always one. */
  replicas?: number;
  env?: Record<string, string>;
  /** Every service has an identity of its own at the broker, as in production; default true. */
  identities?: boolean;
}

/** A whole system: a real broker, a data folder and every service as processes of their own. */
export interface Cell {
  url: string;
  server: TestBroker;
  /** As an operator, who may do everything. */
  broker: Broker;
  home: string;
  processes: ServiceProcess[];
  of(name: Name): ServiceProcess[];
  key(user: string, tenant?: string, scopes?: readonly string[]): Promise<string>;
  client(user?: string, tenant?: string): Promise<RunledgerClient>;
  stop(): Promise<void>;
}

export const OPERATOR = { user: 'operator', pass: 'operator-word' };
export const SECRET_KEY = '7'.repeat(64);

export async function startCell(options: CellOptions = {}): Promise<Cell> {
  const folder = await temporaryFolder();
  const identities = options.identities === false ? [] : await makeIdentities(folder.path);
  const server = await startBroker(identities.length > 0 ? locked(identities) : {});
  const broker = await connectBroker({
    url: server.url.replace('//', `//${OPERATOR.user}:${OPERATOR.pass}@`),
    name: 'acceptance',
  });
  await bootstrap(broker, LAYOUT);
  await seed(broker, ['local', 'other']);
  const port = await freePort();
  const env = {
    RUNLEDGER_HOME: folder.path,
    RUNLEDGER_NATS_URL: server.url,
    RUNLEDGER_PORT: String(port),
    RUNLEDGER_SECRET_KEY: SECRET_KEY,
    RUNLEDGER_LEASE_S: '2',
    RUNLEDGER_LOG: 'warn',
    ...options.env,
  };
  const processes = SERVICES.flatMap((name) =>
    Array.from(
      { length: name === 'gateway' ? 1 : (options.replicas ?? 1) },
      () => new ServiceProcess(name, { ...env, ...asItself(name, identities) }),
    ),
  );
  await Promise.all(processes.map((process) => process.start()));
  await Promise.all(processes.map((process) => process.ready()));
  const keys = new Map<string, Promise<string>>();
  const key = (user: string, tenant = 'local', scopes: readonly string[] = SCOPES): Promise<string> => {
    const id = `${tenant} ${user} ${scopes.join()}`;
    const made = keys.get(id) ?? makeKey(broker, { user, tenant, scopes });
    keys.set(id, made);
    return made;
  };
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    server,
    broker,
    home: folder.path,
    processes,
    of: (name) => processes.filter((process) => process.name === name),
    key,
    client: async (user = 'dev', tenant = 'local') =>
      new RunledgerClient({ url, apiKey: await key(user, tenant) }),
    stop: async () => {
      await Promise.all(processes.map((process) => process.end('SIGKILL')));
      await broker.close();
      const violations = server.output().match(/.*Violation.*/g) ?? [];
      await server.stop();
      await folder.remove();
      if (violations.length > 0) throw new Error(`refused by the broker:\n${violations.join('\n')}`);
    },
  };
}

export const makeIdentities = (folder: string): Promise<Identity[]> =>
  Promise.all(SERVICES.map((name) => makeIdentity(join(folder, 'identities'), name)));

/** The configuration of a broker that knows these identities, and the operator. */
export function locked(identities: readonly Identity[]): { config: string; access: typeof OPERATOR } {
  const grants = identities.map(({ name, publicKey }) => ({
    name,
    publicKey,
    permissions: PERMISSIONS[name as Name],
  }));
  const more = [`{ user: ${OPERATOR.user}, password: ${OPERATOR.pass} }`];
  return { config: authorizationConf(grants, { more }), access: OPERATOR };
}

export function asItself(service: Name, identities: readonly Identity[]): Record<string, string> {
  const identity = identities.find(({ name }) => name === service);
  return identity === undefined ? {} : { RUNLEDGER_NATS_NKEY: identity.seedFile };
}

export async function makeKey(
  broker: Broker,
  who: { user: string; tenant: string; scopes: readonly string[] },
): Promise<string> {
  const { api_key } = await createApiKey(
    broker,
    { secretKey: Buffer.from(SECRET_KEY, 'hex') },
    {
      tenant_id: who.tenant,
      user_id: who.user,
      name: 'acceptance',
      scopes: who.scopes as typeof SCOPES,
      env: 'test',
    },
  );
  return api_key;
}

export async function seed(broker: Broker, tenants: string[]): Promise<void> {
  const agents = await new Kvm(broker.js).open('agents');
  for (const tenant of tenants)
    for (const agent of SAMPLE_AGENTS)
      await agents.put(agentKey(tenant, agent.agent_id), JSON.stringify(agent));
}
