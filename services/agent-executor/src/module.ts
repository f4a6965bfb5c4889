import {
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import type { ServiceContext, ServiceDefinition } from '@runledger/service-host';
import { workConsumer } from './consumers/work.ts';
import { Prices } from './budget/prices.ts';
import { AgentDefinitions } from './definitions/agent-definitions.ts';
import { RunEnvironment } from './definitions/run-environment.ts';
import { Engines } from './engines/engines.ts';
import { Executor } from './holding/executor.ts';
import { HolderTable } from './holding/holder-table.ts';

/** How long a shutdown may take: 10 s for the runs to reach a boundary, and the appends after it. */
const DRAIN_MS = 20_000;

/** Ends what the service keeps open, in order: runs first, then what they need. */
class Lifetime implements OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown {
  readonly #draining = new AbortController();

  constructor(
    private readonly engines: Engines,
    private readonly table: HolderTable,
  ) {}

  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  onModuleDestroy(): void {
    this.#draining.abort();
  }

  beforeApplicationShutdown(): void {
    this.#draining.abort();
  }

  async onApplicationShutdown(): Promise<void> {
    this.table.close();
    await this.engines.close();
  }
}

@Module({})
class ExecutorModule {}

function executorModule(context: ServiceContext): DynamicModule {
  const { settings, broker, runLog, instance, logger } = context;
  const engines = new Engines(settings);
  if (settings.profile === 'production' && (settings.sandbox ?? 'none') === 'none')
    logger.warn('RUNLEDGER_SANDBOX is none: agents may do on this machine what this process may');
  const table = new HolderTable(broker.nc, instance);
  const lifetime = new Lifetime(engines, table);
  const executor = new Executor({
    runLog,
    table,
    engines,
    js: broker.js,
    prices: Prices.read(process.env.RUNLEDGER_MODEL_PRICES),
    definitions: new AgentDefinitions(broker.js),
    environment: new RunEnvironment(broker.js, settings.secretKey),
    draining: lifetime.draining,
    pool: settings.pool,
    logger,
  });
  return {
    module: ExecutorModule,
    controllers: [workConsumer(settings)],
    providers: [
      { provide: Executor, useValue: executor },
      { provide: Lifetime, useFactory: () => lifetime },
    ],
  };
}

export const executorDefinition: ServiceDefinition = {
  name: 'agent-executor',
  modules: (context) => [executorModule(context)],
  drainMs: DRAIN_MS,
};
