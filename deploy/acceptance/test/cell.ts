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
import { startBroker, startCluster, freePort, temporaryFolder, type TestBroker } from '@runledger/testkit';
import { agentKey } from '@runledger/wire';
import { SAMPLE_AGENTS } from '../../../services/agent-executor/src/samples.ts';
import { createApiKey, SCOPES } from '../../../services/gateway/src/keys/index.ts';
import { ServiceProcess } from './service-process.ts';

export const SERVICES = ['gateway', 'run-scheduler', 'agent-executor', 'reconciler'] as const;
export type Name = (typeof SERVICES)[number];

export interface CellOptions {
  /** Processes of each service; default one. The gateway is always one. */
  replicas?: number;
  /** One broker, or a cluster of three with three replicas of every stream; default one. */
  brokers?: 1 | 3;
  env?: Record<string, string>;
  /** Every service has an identity of its own at the broker, as in production; default true. */
  identities?: boolean;
}

/** A whole system: a real broker, a data folder and every service as processes of their own. */
export interface Cell {
  url: string;
  /** The broker; of three, the first. */
  server: TestBroker;
  servers: readonly TestBroker[];
  /** Of three brokers, the one that leads a stream. */
  leaderOf(stream: string): Promise<TestBroker>;
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
  const { servers, leaderOf, stopBrokers } = await startBrokers(options.brokers ?? 1, identities);
  const server = servers[0] as TestBroker;
  const urls = servers.map(({ url }) => url);
  const broker = await connectBroker({
    url: urls.map((url) => url.replace('//', `//${OPERATOR.user}:${OPERATOR.pass}@`)).join(','),
    name: 'acceptance',
  });
  await bootstrap(broker, LAYOUT, { replicas: servers.length });
  await seed(broker, ['local', 'other']);
  const port = await freePort();
  const env = {
    RUNLEDGER_HOME: folder.path,
    RUNLEDGER_NATS_URL: urls.join(','),
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
  try {
    await Promise.all(processes.map((process) => process.start()));
    await Promise.all(processes.map((process) => process.ready()));
  } catch (error) {
    await Promise.all(processes.map((process) => process.end('SIGKILL')));
    await broker.close();
    await stopBrokers();
    throw error;
  }
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
    servers,
    leaderOf,
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
      const violations = servers.flatMap((one) => one.output().match(/.*Violation.*/g) ?? []);
      await stopBrokers();
      await folder.remove();
      if (violations.length > 0) throw new Error(`refused by the broker:\n${violations.join('\n')}`);
    },
  };
}

interface Brokers {
  servers: readonly TestBroker[];
  leaderOf: (stream: string) => Promise<TestBroker>;
  stopBrokers: () => Promise<void>;
}

async function startBrokers(count: 1 | 3, identities: readonly Identity[]): Promise<Brokers> {
  const options = identities.length > 0 ? locked(identities) : {};
  if (count === 3) {
    const cluster = await startCluster(options);
    const leaderOf = (stream: string): Promise<TestBroker> => cluster.leaderOf(stream);
    return { servers: cluster.servers, leaderOf, stopBrokers: () => cluster.stop() };
  }
  const server = await startBroker(options);
  return { servers: [server], leaderOf: async () => server, stopBrokers: () => server.stop() };
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
