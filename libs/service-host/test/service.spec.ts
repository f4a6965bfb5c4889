import 'reflect-metadata';
import {
  Controller,
  Get,
  Inject,
  Module,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Broker, type Delivery, DurableConsumer, type Handled } from '@runledger/nest-jetstream';
import {
  freePort,
  startBroker,
  temporaryFolder,
  type TemporaryFolder,
  type TestBroker,
  waitFor,
} from '@runledger/testkit';
import {
  readSettings,
  SERVICE_CONTEXT,
  type ServiceContext,
  type ServiceDefinition,
  type Settings,
  startService,
} from '../src/index.ts';

interface Ready {
  status: string;
  checks: Record<string, { ok: boolean; detail: string }>;
}

const steps: string[] = [];
const gate = Promise.withResolvers<void>();

@Controller()
class PokeConsumer {
  @DurableConsumer<string>({
    durable: 'tiny-pokes',
    stream: 'POKES',
    filter: 'pokes.>',
    decode: (message) => message.text(),
    concurrency: 2,
    ackWaitMs: 30_000,
    maxAckPending: 10,
  })
  async poke({ data }: Delivery<string>): Promise<Handled> {
    steps.push(`begins ${data}`);
    if (data === 'slow') await gate.promise;
    steps.push(`ends ${data}`);
  }
}

@Controller()
class WhoController {
  constructor(@Inject(SERVICE_CONTEXT) private readonly context: ServiceContext) {}
  @Get('who')
  who(): object {
    return { name: this.context.name };
  }
}

@Module({ controllers: [PokeConsumer, WhoController] })
class TinyModule implements OnModuleInit, OnModuleDestroy, OnApplicationShutdown {
  constructor(@Inject(SERVICE_CONTEXT) private readonly context: ServiceContext) {}
  onModuleInit(): void {
    steps.push('init');
  }
  /** Where a service tells its long handlers to let go. */
  onModuleDestroy(): void {
    steps.push('destroy');
    gate.resolve();
  }
  onApplicationShutdown(): void {
    steps.push(`shutdown, connected: ${!this.context.broker.nc.isClosed()}`);
  }
}

const tiny: ServiceDefinition = {
  name: 'gateway',
  modules: () => [TinyModule],
  http: async () => undefined,
  readiness: () => ({ views: async () => undefined }),
  drainMs: 3_000,
};

async function ready(opsUrl: string): Promise<{ status: number; body: Ready }> {
  const response = await fetch(`${opsUrl}/readyz`);
  return { status: response.status, body: (await response.json()) as Ready };
}

async function makeStreams(broker: Broker): Promise<void> {
  const jsm = await broker.jsm();
  await jsm.streams.add({ name: 'RUNS', subjects: ['runs.>'], allow_direct: true });
  await jsm.streams.add({ name: 'POKES', subjects: ['pokes.>'] });
}

describe('a service', () => {
  let server: TestBroker;
  let folder: TemporaryFolder;
  let settings: Settings;

  beforeAll(async () => {
    [server, folder] = await Promise.all([startBroker(), temporaryFolder()]);
    settings = readSettings({
      RUNLEDGER_HOME: folder.path,
      RUNLEDGER_NATS_URL: server.url,
      RUNLEDGER_PORT: '0',
      RUNLEDGER_LOG: 'silent',
    });
  });
  afterAll(async () => {
    await server?.stop();
    await folder?.remove();
  });

  it('is alive before the broker is there, ready with it, not ready without it, and closes in order', async () => {
    await server.kill();
    const opsPort = await freePort();
    const opsUrl = `http://127.0.0.1:${opsPort}`;
    let made: Broker | undefined;
    const starting = startService(
      tiny,
      { ...settings, opsPort },
      { bootstrap: async (broker) => void (made = broker) },
    );
    await waitFor(async () => (await fetch(`${opsUrl}/healthz`)).status === 200, {
      describe: 'it is alive',
      timeoutMs: 1_000,
    });
    expect(await ready(opsUrl)).toMatchObject({
      status: 503,
      body: { status: 'not_ready', checks: { broker: { ok: false } } },
    });

    await server.restart();
    await waitFor(
      async () => (await ready(opsUrl)).body.checks['log']?.detail.includes('RUNS does not exist'),
      { describe: 'it waits for the log' },
    );
    await makeStreams(made as unknown as Broker);
    const service = await starting;
    await waitFor(async () => (await ready(opsUrl)).status === 200, { describe: 'it is ready' });
    expect((await ready(opsUrl)).body.checks).toMatchObject({
      broker: { ok: true },
      views: { ok: true },
      'consumer tiny-pokes': { ok: true },
    });
    expect(await (await fetch(`${service.url}/who`)).json()).toEqual({ name: 'gateway' });

    await server.kill();
    await waitFor(async () => (await ready(opsUrl)).status === 503, { describe: 'it is not ready' });
    expect((await ready(opsUrl)).body.checks).toMatchObject({
      broker: { ok: false, detail: 'disconnected' },
      'consumer tiny-pokes': { ok: false },
    });
    expect((await fetch(`${opsUrl}/healthz`)).status).toBe(200);
    await server.restart();
    await waitFor(async () => (await ready(opsUrl)).status === 200, { describe: 'it is ready again' });

    await waitFor(() => (made as unknown as Broker).js.publish('pokes.a', 'quick'), {
      describe: 'a message',
    });
    await (made as unknown as Broker).js.publish('pokes.b', 'slow');
    await waitFor(() => steps.includes('begins slow') && steps.includes('ends quick'), {
      describe: 'the handlers',
    });
    const metrics = await (await fetch(`${opsUrl}/metrics`)).text();
    expect(metrics).toMatch(
      /runledger_consumer_deliveries_total\{durable="tiny-pokes",outcome="done",service="gateway"\} 1/,
    );
    expect(metrics).toMatch(/runledger_consumer_in_flight\{durable="tiny-pokes",service="gateway"\} 1/);
    expect(metrics).toMatch(/nodejs_eventloop_lag_seconds/);

    await (await (made as unknown as Broker).jsm()).streams.delete('RUNS');
    expect(await ready(opsUrl)).toMatchObject({
      status: 503,
      body: { checks: { log: { ok: false, detail: 'the stream RUNS does not exist' } } },
    });
    await makeStreams(made as unknown as Broker);
    expect((await ready(opsUrl)).status).toBe(200);

    await service.close();
    expect(steps[0]).toBe('init');
    expect(steps.slice(-3)).toEqual(['destroy', 'ends slow', 'shutdown, connected: true']);
    expect((made as unknown as Broker).nc.isClosed()).toBe(true);
    await expect(fetch(`${opsUrl}/healthz`)).rejects.toThrow();
  });

  it('says which variable to change when its port is in use', async () => {
    const port = Number(new URL(server.url).port);
    await expect(startService(tiny, { ...settings, opsPort: port })).rejects.toThrow(
      /127\.0\.0\.1:\d+ is in use: set RUNLEDGER_OPS_PORT/,
    );
    await expect(startService(tiny, { ...settings, port })).rejects.toThrow(
      /127\.0\.0\.1:\d+ is in use: set RUNLEDGER_PORT/,
    );
  });
});
