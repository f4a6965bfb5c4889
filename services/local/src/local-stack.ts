import { createWriteStream, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { executorDefinition } from '@runledger/agent-executor/module';
import { gatewayDefinition } from '@runledger/gateway/module';
import { bootstrap, connectBroker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { reconcilerDefinition } from '@runledger/reconciler/module';
import { schedulerDefinition } from '@runledger/run-scheduler/module';
import {
  brokerAccess,
  readSettings,
  serviceLog,
  startService,
  type RunningService,
  type ServiceName,
  type Settings,
} from '@runledger/service-host';
import type { Logger } from 'pino';
import { type BrokerToUse, brokerToUse } from './private-broker.ts';
import { localKey, seedSamples, type DevKey } from './seed.ts';

/** The gateway closes first, so that nobody is answered by half a system; executors hand their runs over next. */
const DEFINITIONS = [gatewayDefinition, executorDefinition, schedulerDefinition, reconcilerDefinition];

export interface LocalStack {
  url: string;
  key: DevKey;
  /** The key was made by this start, and is to be shown. */
  keyIsNew: boolean;
  services: RunningService[];
  close(): Promise<void>;
}

/** Broker and all services in this process, on the data folder that the environment names. Throws one clear Error. */
export async function startLocalStack(
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<LocalStack> {
  const { home, port, host, pool } = readSettings({
    ...env,
    RUNLEDGER_NATS_URL: env['RUNLEDGER_NATS_URL'] ?? 'nats://unused',
  });
  await assertFree(port, host);
  const broker = await brokerToUse(env, { home, pool }, say);
  const settings = readSettings({ ...env, RUNLEDGER_NATS_URL: broker.url, RUNLEDGER_OPS_PORT: '0' });
  const services: RunningService[] = [];
  const close = async (): Promise<void> => {
    for (const service of services) await service.close();
    await broker.stop();
  };
  try {
    const url = `http://${host === '127.0.0.1' || host === '0.0.0.0' ? 'localhost' : host}:${port}`;
    const { key, made } = await prepare(asItself(settings, 'bootstrap', broker), url);
    say('starting the services');
    services.push(...(await startAll(settings, broker)));
    return { url, key, keyIsNew: made, services, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The settings of one service, as who it is at the private broker. */
function asItself(
  settings: Settings,
  name: ServiceName | 'bootstrap',
  { identities }: BrokerToUse,
): Settings {
  if (identities === undefined) return settings;
  const { natsCredentials: _others, ...rest } = settings;
  return { ...rest, natsNkey: identities[name].seedFile };
}

async function prepare(settings: Settings, url: string): Promise<{ key: DevKey; made: boolean }> {
  const broker = await connectBroker({
    ...brokerAccess(settings, 'bootstrap'),
    name: 'runledger local set-up',
    waitMs: 10_000,
  });
  try {
    await bootstrap(broker, LAYOUT);
    await seedSamples(broker);
    return await localKey(broker, settings, url);
  } finally {
    await broker.close();
  }
}

/** All at once; when one fails, those that started are closed and its error is thrown. */
async function startAll(settings: Settings, broker: BrokerToUse): Promise<RunningService[]> {
  const logger = fileLog(settings);
  const started = await Promise.allSettled(
    DEFINITIONS.map((definition) =>
      startService(definition, asItself(settings, definition.name, broker), { logger }),
    ),
  );
  const running = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = started.find((result) => result.status === 'rejected');
  if (!failed) return running;
  for (const service of running) await service.close();
  throw failed.reason;
}

/** The terminal is for people; what the services write goes to `logs/services.log` in the data folder. */
function fileLog(settings: Settings): Logger {
  const file = join(settings.home, 'logs', 'services.log');
  mkdirSync(dirname(file), { recursive: true });
  const destination = createWriteStream(file, { flags: 'a' });
  return serviceLog({
    service: 'local',
    instance: String(process.pid),
    level: settings.logLevel,
    destination,
  });
}

function assertFree(port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'EADDRINUSE'
          ? new Error(`port ${port} is in use; end what uses it or set RUNLEDGER_PORT to another`)
          : new Error(`cannot listen on ${host}:${port}: ${error.message}`),
      ),
    );
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}
