import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kvm } from '@nats-io/kv';
import { SAMPLE_AGENTS } from '@runledger/agent-executor/samples';
import { createApiKey, SCOPES } from '@runledger/gateway/keys';
import { bootstrap, connectBroker, type Broker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { freePort, temporaryFolder, waitFor } from '@runledger/testkit';
import { agentKey } from '@runledger/wire';
import type { SetUp } from '../figure.ts';
import { HttpCalls } from '../http-calls.ts';
import { startMeasuredBroker, type MeasuredBroker } from './measured-broker.ts';
import { Program } from './program.ts';

export const TENANT = 'local';
const SERVICES = ['gateway', 'run-scheduler', 'agent-executor', 'reconciler'];
const SECRET_KEY = '7'.repeat(64);

/** The limits are raised so that what is measured is not the limit. */
const RAISED = {
  RUNLEDGER_ROOT_RUNS_PER_USER: '100000',
  RUNLEDGER_SLOTS: '128',
  RUNLEDGER_LOG: 'warn',
};

/** The whole product, running. */
export interface System {
  setup: SetUp;
  url: string;
  api: HttpCalls;
  server: MeasuredBroker;
  /** A connection of the bench's own to the product's broker. */
  broker: Broker;
  home: string;
  /** Processes of the services. */
  pids(): number[];
  stop(): Promise<void>;
}

export interface SystemOptions {
  /** What the services are told to connect to instead of the broker itself. */
  brokerUrlFor?: (server: MeasuredBroker) => Promise<string>;
}

export async function startSystem(setup: SetUp, options: SystemOptions = {}): Promise<System> {
  await using cleanup = new AsyncDisposableStack();
  const server = cleanup.adopt(await startMeasuredBroker(), (started) => started.stop());
  const folder = cleanup.adopt(await temporaryFolder('runledger-bench-'), (made) => made.remove());
  const broker = cleanup.adopt(await connectBroker({ url: server.url, name: 'bench' }), (made) =>
    made.close(),
  );
  const port = await freePort();
  const env = {
    ...RAISED,
    RUNLEDGER_HOME: folder.path,
    RUNLEDGER_PORT: String(port),
    RUNLEDGER_NATS_URL: (await options.brokerUrlFor?.(server)) ?? server.url,
  };
  const programs: Program[] = [];
  cleanup.defer(async () => void (await Promise.all(programs.map((program) => program.end()))));
  const key = await (setup === 'one process' ? oneProcess : manyProcesses)(broker, env, programs);
  const owned = cleanup.move();
  const url = `http://127.0.0.1:${port}`;
  return {
    setup,
    url,
    api: new HttpCalls(url, key),
    server,
    broker,
    home: folder.path,
    pids: () => programs.map(({ pid }) => pid),
    stop: () => owned.disposeAsync(),
  };
}

type Start = (broker: Broker, env: Record<string, string>, programs: Program[]) => Promise<string>;

/** As `npm start` runs it; the key is the one that it makes. */
const oneProcess: Start = async (_broker, env, programs) => {
  const program = new Program('local', 'services/local/dist/main.js', env);
  programs.push(program);
  await untilReady(program, async () => program.output.includes('ready  http://'));
  const text = await readFile(join(env['RUNLEDGER_HOME'] ?? '', 'dev-key'), 'utf8');
  return (JSON.parse(text) as { api_key: string }).api_key;
};

const manyProcesses: Start = async (broker, env, programs) => {
  await bootstrap(broker, LAYOUT);
  const agents = await new Kvm(broker.js).open('agents');
  for (const agent of SAMPLE_AGENTS)
    await agents.put(agentKey(TENANT, agent.agent_id), JSON.stringify(agent));
  const { api_key } = await createApiKey(
    broker,
    { secretKey: Buffer.from(SECRET_KEY, 'hex') },
    { tenant_id: TENANT, user_id: 'dev', name: 'bench', scopes: SCOPES, env: 'test' },
  );
  const started = await Promise.all(
    SERVICES.map(async (name) => {
      const opsPort = await freePort();
      const own = { ...env, RUNLEDGER_SECRET_KEY: SECRET_KEY, RUNLEDGER_OPS_PORT: String(opsPort) };
      return { program: new Program(name, `services/${name}/dist/main.js`, own), opsPort };
    }),
  );
  programs.push(...started.map(({ program }) => program));
  await Promise.all(
    started.map(({ program, opsPort }) =>
      untilReady(program, async () => (await fetch(`http://127.0.0.1:${opsPort}/readyz`)).ok),
    ),
  );
  return api_key;
};

async function untilReady(program: Program, ready: () => Promise<boolean>): Promise<void> {
  let ended: Error | undefined;
  await waitFor(
    async () => {
      ended = program.failure();
      return ended !== undefined || ready();
    },
    {
      timeoutMs: 60_000,
      everyMs: 50,
      describe: () => `${program.name} to be ready: ${program.output.slice(-2_000)}`,
    },
  );
  if (ended) throw ended;
}
