import { Kvm } from '@nats-io/kv';
import { RunledgerClient } from '@runledger/client';
import { bootstrap, connectBroker, type Broker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
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
}

/** A whole system: a real broker, a data folder and every service as processes of their own. */
export interface Cell {
  url: string;
  server: TestBroker;
  broker: Broker;
  home: string;
  processes: ServiceProcess[];
  of(name: Name): ServiceProcess[];
  key(user: string, tenant?: string, scopes?: readonly string[]): Promise<string>;
  client(user?: string, tenant?: string): Promise<RunledgerClient>;
  stop(): Promise<void>;
}

const SECRET_KEY = '7'.repeat(64);

export async function startCell(options: CellOptions = {}): Promise<Cell> {
  const server = await startBroker();
  const folder = await temporaryFolder();
  const broker = await connectBroker({ url: server.url, name: 'acceptance' });
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
      () => new ServiceProcess(name, env),
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
      await server.stop();
      await folder.remove();
    },
  };
}

async function makeKey(
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

async function seed(broker: Broker, tenants: string[]): Promise<void> {
  const agents = await new Kvm(broker.js).open('agents');
  for (const tenant of tenants)
    for (const agent of SAMPLE_AGENTS)
      await agents.put(agentKey(tenant, agent.agent_id), JSON.stringify(agent));
}
