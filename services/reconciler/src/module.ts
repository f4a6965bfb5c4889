import {
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import type { ServiceContext, ServiceDefinition } from '@runledger/service-host';
import { openViewStore, type ViewStore } from '@runledger/view-store';
import { Counter } from 'prom-client';
import { ErasureConsumer } from './consumers/erasure.ts';
import { ViewsConsumer } from './consumers/views.ts';
import { Eraser } from './erasure/eraser.ts';
import { Tombstones } from './erasure/tombstones.ts';
import { sweepRetention, type RetentionOutcome } from './sweeps/retention.ts';
import { readRetentionSettings } from './sweeps/retention-settings.ts';
import { sweepStranded, type Outcome } from './sweeps/stranded.ts';
import { readStrandedSettings } from './sweeps/stranded-settings.ts';
import { SweepTimer } from './sweeps/sweep-timer.ts';
import { upkeepTimers } from './sweeps/timers.ts';
import { WorkQueue } from './sweeps/work-queue.ts';
import { FirstRebuild } from './views/first-rebuild.ts';
import { ViewProjector } from './views/projector.ts';

/** What the service keeps going beside its consumer, from the start of the consumer to the end of the store. */
class Lifetime implements OnApplicationBootstrap, OnModuleDestroy, OnApplicationShutdown {
  readonly #sweeps: SweepTimer[];

  constructor(
    context: ServiceContext,
    private readonly store: ViewStore,
    private readonly rebuild: FirstRebuild,
    private readonly eraser: Eraser,
  ) {
    this.#sweeps = [
      strandedTimer(context, store),
      ...retentionTimers(context, store),
      ...upkeepTimers(context, store),
    ];
  }

  onApplicationBootstrap(): void {
    this.rebuild.start();
    for (const sweep of this.#sweeps) sweep.start();
  }

  async onModuleDestroy(): Promise<void> {
    this.eraser.stop();
    await Promise.all([this.rebuild.stop(), ...this.#sweeps.map((sweep) => sweep.stop())]);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.store.close();
  }
}

function strandedTimer(
  { broker, runLog, logger, metrics, settings }: ServiceContext,
  store: ViewStore,
): SweepTimer {
  const { sweepMs, idleMs } = readStrandedSettings(settings.leaseS);
  const suspects = new Counter({
    name: 'runledger_stranded_suspects_total',
    help: 'Runs without a recent event that the sweep for stranded runs looked at, by outcome',
    labelNames: ['outcome'],
    registers: [metrics],
  });
  const queue = new WorkQueue(broker);
  const count = (outcome: Outcome) => suspects.inc({ outcome });
  return new SweepTimer(sweepMs, (signal) =>
    sweepStranded({ store, runLog, queue, logger, count }, { idleMs, now: Date.now(), signal }),
  );
}

/** None where runs are kept for ever. */
function retentionTimers(
  { broker, runLog, logger, metrics }: ServiceContext,
  store: ViewStore,
): SweepTimer[] {
  const { keepMs, sweepMs, batch } = readRetentionSettings();
  if (keepMs === undefined) return [];
  const looked = new Counter({
    name: 'runledger_retention_total',
    help: 'Runs that the sweep for runs whose time is over looked at, by outcome',
    labelNames: ['outcome'],
    registers: [metrics],
  });
  const count = (outcome: RetentionOutcome) => looked.inc({ outcome });
  const parts = { store, runLog, tombstones: new Tombstones(broker), logger, count };
  return [
    new SweepTimer(sweepMs, (signal) => sweepRetention(parts, { keepMs, batch, now: Date.now(), signal })),
  ];
}

function eraserOn({ broker, logger, metrics }: ServiceContext, store: ViewStore): Eraser {
  const erased = new Counter({
    name: 'runledger_runs_erased_total',
    help: 'Runs that were erased, by reason',
    labelNames: ['reason'],
    registers: [metrics],
  });
  const tombstones = new Tombstones(broker);
  return new Eraser({ broker, store, tombstones, logger, count: (reason) => erased.inc({ reason }) });
}

@Module({})
class ReconcilerModule {}

interface Views {
  store: ViewStore;
  rebuild: FirstRebuild;
}

/** The readiness checks of a service are asked for apart from its modules, and look at the same views. */
const viewsOf = new WeakMap<ServiceContext, Views>();

function reconcilerModule(context: ServiceContext): DynamicModule {
  const views = async (): Promise<Views> => {
    const store = await openViewStore(context.settings);
    const opened = { store, rebuild: new FirstRebuild(context, store) };
    viewsOf.set(context, opened);
    return opened;
  };
  const VIEWS = Symbol('views');
  return {
    module: ReconcilerModule,
    controllers: [ErasureConsumer, ViewsConsumer],
    providers: [
      { provide: VIEWS, useFactory: views },
      {
        provide: ViewProjector,
        inject: [VIEWS],
        useFactory: ({ store }: Views) => new ViewProjector(context.runLog, store),
      },
      { provide: Eraser, inject: [VIEWS], useFactory: ({ store }: Views) => eraserOn(context, store) },
      {
        provide: Lifetime,
        inject: [VIEWS, Eraser],
        useFactory: ({ store, rebuild }: Views, eraser: Eraser) =>
          new Lifetime(context, store, rebuild, eraser),
      },
    ],
  };
}

export const reconcilerDefinition: ServiceDefinition = {
  name: 'reconciler',
  modules: (context) => [reconcilerModule(context)],
  readiness: (context) => ({
    'view store': async () => viewsOf.get(context)?.store.ping(),
    'views rebuilt': async () => viewsOf.get(context)?.rebuild.check(),
  }),
};
