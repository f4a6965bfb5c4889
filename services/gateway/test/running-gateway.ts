import { createHash, randomBytes } from 'node:crypto';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { bootstrap, type Broker, connectBroker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { JetStreamRunLog, type RunLog } from '@runledger/run-log';
import {
  type RunningService,
  type ServiceDefinition,
  type Settings,
  serviceLog,
  startService,
} from '@runledger/service-host';
import { startBroker, temporaryFolder, type TestBroker } from '@runledger/testkit';
import { createApiKey, type NewApiKey, SCOPES } from '../src/keys/index.ts';
import { gatewayDefinition } from '../src/module.ts';

export const AGENT = {
  agent_id: 'ticker',
  name: 'Ticker',
  description: 'ticks',
  kind: 'builtin',
  builtin: 'ticker',
  limits: { max_cost_usd: 0.5 },
};

/** A gateway on a real broker, with the log as a pretend executor sees it. */
export interface RunningGateway {
  url: string;
  broker: TestBroker;
  connection: Broker;
  runLog: RunLog;
  service: RunningService;
  settings: Settings;
  /** A new key of tenant `acme`, user `ann`, with every scope but admin, unless said otherwise. */
  key(options?: Partial<NewApiKey>): Promise<string>;
  /** Number of messages in RUNS. */
  stored(): Promise<number>;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  mongodbUrl?: string;
  oidc?: string;
  /** Another gateway whose broker and settings this one shares: a second replica. */
  beside?: RunningGateway;
  /** Where the lines of its log go; absent: nowhere. */
  log?: (line: string) => void;
  /** Sees the application before it is initialised. */
  beforeInit?: (app: NestFastifyApplication) => void;
}

export async function startGateway(options: GatewayOptions = {}): Promise<RunningGateway> {
  const { beforeInit, beside, log, ...changes } = options;
  const folder = await temporaryFolder();
  const broker = beside?.broker ?? (await startBroker());
  const settings = { ...(beside?.settings ?? settingsFor(folder.path, broker.url)), ...changes };
  const connection = await connectBroker({ url: broker.url, name: 'gateway-spec' });
  await bootstrap(connection, LAYOUT, { runsMaxBytes: 64 * 1024 * 1024 });
  const runLog = new JetStreamRunLog(connection, { writer: 'agent-executor/spec' });
  const definition: ServiceDefinition = {
    ...gatewayDefinition,
    http: async (app, context) => {
      beforeInit?.(app);
      await gatewayDefinition.http?.(app, context);
    },
  };
  const service = await startService(definition, settings, {
    logger: serviceLog({
      service: 'gateway',
      instance: 'spec',
      level: log ? 'trace' : 'silent',
      ...(log ? { destination: { write: log } } : {}),
    }),
  });
  const kv = `$KV.agents.acme.${AGENT.agent_id}`;
  await connection.js.publish(kv, JSON.stringify(AGENT));
  return {
    url: service.url ?? '',
    broker,
    connection,
    runLog,
    service,
    settings,
    key: async (key = {}) => (await createApiKey(connection, settings, { ...everyScope(), ...key })).api_key,
    stored: async () => (await (await connection.jsm()).streams.info('RUNS')).state.messages,
    stop: async () => {
      await service.close();
      await runLog.close();
      await connection.nc.close();
      if (!beside) await broker.stop();
      await folder.remove();
    },
  };
}

const everyScope = (): NewApiKey => ({
  tenant_id: 'acme',
  user_id: 'ann',
  name: 'spec',
  scopes: SCOPES.filter((scope) => scope !== 'admin' && scope !== 'runs:read:all'),
  workspace_ids: ['lab'],
});

const settingsFor = (home: string, natsUrl: string): Settings => ({
  home,
  natsUrl,
  port: 0,
  host: '127.0.0.1',
  opsPort: 0,
  leaseS: 15,
  slots: 4,
  pool: 'default',
  rootRuns: 256,
  rootRunsPerTenant: 10_000,
  rootRunsPerUser: 10,
  rootRunsPerAgent: 10_000,
  rootRunsPerKey: 1,
  secretKey: randomBytes(32),
  logLevel: 'silent',
  profile: 'local',
});

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
