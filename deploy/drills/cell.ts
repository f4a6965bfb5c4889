import { Kvm } from '@nats-io/kv';
import { SAMPLE_AGENTS } from '@runledger/agent-executor/samples';
import { RunledgerClient } from '@runledger/client';
import { createApiKey, SCOPES } from '@runledger/gateway/keys';
import { bootstrap, type Broker, connectBroker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import {
  freePort,
  startBroker,
  startCluster,
  temporaryFolder,
  type TestBroker,
  type TestBrokerOptions,
  type TestCluster,
} from '@runledger/testkit';
import { agentKey } from '@runledger/wire';
import type { Cleanup } from './cleanup.ts';
import { type Placement, ServiceProcess } from './service-process.ts';

export const SERVICES = ['gateway', 'run-scheduler', 'agent-executor', 'reconciler'] as const;
export type Name = (typeof SERVICES)[number];

export interface CellOptions {
  r3?: boolean;
  /** Processes of each service; default one. */
  replicas?: Partial<Record<Name, number>>;
  env?: Record<string, string>;
  /** On top of `env`, for one process of a service. */
  envOf?: (service: Name, replica: number) => Record<string, string>;
  broker?: TestBrokerOptions;
  /** The URL at which a service reaches the broker, given the broker's own; default: directly. */
  through?: (service: Name, url: string) => Promise<string> | string;
  placement?: (service: Name) => Placement;
  /** Size of the log in bytes. */
  runsMaxBytes?: number;
  /** Commits that the log takes of one run. */
  commitsPerRun?: number;
}

const SECRET_KEY = '7'.repeat(64);
export const LEASE_S = 3;

/** A whole system on loopback: real brokers, a data folder and every service as processes of their own. */
export class Cell {
  readonly servers: readonly TestBroker[];
  readonly cluster: TestCluster | undefined;
  /** As an administrator. */
  readonly broker: Broker;
  readonly home: string;
  readonly processes: readonly ServiceProcess[];
  /** Of every gateway. */
  readonly urls: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly #keys = new Map<string, Promise<string>>();

  constructor(parts: Pick<Cell, 'servers' | 'cluster' | 'broker' | 'home' | 'processes' | 'urls' | 'env'>) {
    this.servers = parts.servers;
    this.cluster = parts.cluster;
    this.broker = parts.broker;
    this.home = parts.home;
    this.processes = parts.processes;
    this.urls = parts.urls;
    this.env = parts.env;
  }

  get url(): string {
    return this.urls[0] ?? '';
  }

  /** The only server of a cell with one. */
  get server(): TestBroker {
    const [server] = this.servers;
    if (server === undefined) throw new Error('the cell has no broker');
    return server;
  }

  of(name: Name): ServiceProcess[] {
    return this.processes.filter((process) => process.name === name);
  }

  get unexpectedExits(): string[] {
    return this.processes.flatMap((process) =>
      process.unexpectedExits.map((how) => `${process.name} (${how})`),
    );
  }

  async ready(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.ready()));
  }

  key(user = 'dev', tenant = 'local', scopes: readonly string[] = SCOPES): Promise<string> {
    const id = `${tenant} ${user} ${scopes.join()}`;
    const made = this.#keys.get(id) ?? makeKey(this.broker, { user, tenant, scopes });
    this.#keys.set(id, made);
    return made;
  }

  async client(url = this.url, user = 'dev'): Promise<RunledgerClient> {
    return new RunledgerClient({
      url,
      apiKey: await this.key(user),
      retryMs: { first: 200, cap: 2_000 },
      timeoutMs: 15_000,
    });
  }
}

export async function startCell(cleanup: Cleanup, options: CellOptions = {}): Promise<Cell> {
  const { servers, cluster } = await startBrokers(cleanup, options);
  const url = servers.map((server) => server.url).join(',');
  const broker = await adminOf(cleanup, url);
  await bootstrap(broker, LAYOUT, {
    replicas: options.r3 === true ? 3 : 1,
    ...(options.runsMaxBytes === undefined ? {} : { runsMaxBytes: options.runsMaxBytes }),
  });
  if (options.commitsPerRun !== undefined)
    await (await broker.jsm()).streams.update('RUNS', { max_msgs_per_subject: options.commitsPerRun });
  await seed(broker, ['local', 'other']);
  return startServices(cleanup, { servers, cluster, broker, url }, options);
}

/** The services alone, on a broker that may not be there yet. */
export async function startServices(
  cleanup: Cleanup,
  on: Pick<Cell, 'servers' | 'cluster' | 'broker'> & { url: string },
  options: CellOptions,
): Promise<Cell> {
  const { env, home, urls, processes } = await launch(cleanup, on.url, options);
  const cell = new Cell({ ...on, home, processes, urls, env });
  await cell.ready();
  return cell;
}

export async function launch(
  cleanup: Cleanup,
  url: string,
  options: CellOptions,
): Promise<Pick<Cell, 'env' | 'home' | 'urls' | 'processes'>> {
  const folder = await temporaryFolder('runledger-drill-');
  cleanup.add('data folder', () => folder.remove());
  const env = {
    RUNLEDGER_HOME: folder.path,
    RUNLEDGER_SECRET_KEY: SECRET_KEY,
    RUNLEDGER_LEASE_S: String(LEASE_S),
    RUNLEDGER_SLOTS: '64',
    RUNLEDGER_ROOT_RUNS_PER_USER: '100',
    RUNLEDGER_STRANDED_AFTER_S: '12',
    RUNLEDGER_STRANDED_SWEEP_S: '3',
    RUNLEDGER_LOG: 'warn',
    ...options.env,
  };
  const urls: string[] = [];
  const processes: ServiceProcess[] = [];
  for (const name of SERVICES)
    for (let replica = 0; replica < (options.replicas?.[name] ?? 1); replica += 1) {
      const own: Record<string, string> = {
        ...env,
        ...options.envOf?.(name, replica),
        RUNLEDGER_NATS_URL: (await options.through?.(name, url)) ?? url,
      };
      const placement = options.placement?.(name) ?? {};
      if (placement.host !== undefined) own['RUNLEDGER_HOST'] = placement.host;
      if (name === 'gateway') {
        own['RUNLEDGER_PORT'] = String(await freePort());
        urls.push(`http://${placement.host ?? '127.0.0.1'}:${own['RUNLEDGER_PORT']}`);
      }
      processes.push(new ServiceProcess(name, own, placement));
    }
  cleanup.add('services', () => Promise.all(processes.map((process) => process.end('SIGKILL'))));
  await Promise.all(processes.map((process) => process.start()));
  return { env, home: folder.path, urls, processes };
}

async function startBrokers(
  cleanup: Cleanup,
  options: CellOptions,
): Promise<{ servers: readonly TestBroker[]; cluster: TestCluster | undefined }> {
  if (options.r3 === true) {
    const cluster = await startCluster();
    cleanup.add('brokers', () => cluster.stop());
    return { servers: cluster.servers, cluster };
  }
  const server = await startBroker({ startTimeoutMs: 60_000, ...options.broker });
  cleanup.add('broker', () => server.stop());
  return { servers: [server], cluster: undefined };
}

/** A connection that may do everything and comes back by itself. */
export async function adminOf(cleanup: Cleanup, url: string): Promise<Broker> {
  const broker = await connectBroker({ url, name: 'drill' });
  cleanup.add('admin connection', () => broker.close());
  return broker;
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
      name: 'drill',
      scopes: SCOPES.filter((scope) => who.scopes.includes(scope)),
      env: 'test',
    },
  );
  return api_key;
}

export async function seed(broker: Broker, tenants: readonly string[]): Promise<void> {
  const agents = await new Kvm(broker.js).open('agents');
  for (const tenant of tenants)
    for (const agent of SAMPLE_AGENTS)
      await agents.put(agentKey(tenant, agent.agent_id), JSON.stringify(agent));
}
