import { Module, type OnApplicationBootstrap, type OnApplicationShutdown, Inject } from '@nestjs/common';
import { Counter } from 'prom-client';
import { SERVICE_CONTEXT, type ServiceContext, type ServiceDefinition } from '@runledger/service-host';
import { Admission } from './admission/admission.ts';
import { LimitBook } from './admission/limit-book.ts';
import { QueuePositions } from './admission/queue-positions.ts';
import { repairGrants } from './admission/repair.ts';
import { DueConsumer } from './consumers/due.ts';
import { RunsConsumer } from './consumers/runs.ts';
import { SchedulesConsumer } from './consumers/schedules.ts';
import { Reactions } from './reactions/reactions.ts';
import { LostTimersSweep } from './schedules/lost-timers.ts';
import { Schedules } from './schedules/schedules.ts';
import { readScheduleSweepMs } from './schedules/sweep-settings.ts';

function schedulesOn({ runLog, broker, logger, metrics }: ServiceContext): Schedules {
  const handled = new Counter({
    name: 'runledger_schedule_due_times_total',
    help: 'Due times of schedules that were handled, by outcome',
    labelNames: ['outcome'],
    registers: [metrics],
  });
  return new Schedules(broker, runLog, ({ tenant_id, schedule_id }, { outcome, due_at, run_id }) => {
    handled.inc({ outcome });
    const quiet = outcome === 'started' || outcome === 'overlap_skipped';
    const fields = { event: `scheduler.schedule.${outcome}`, tenant_id, schedule_id, due_at, run_id };
    logger[quiet ? 'debug' : 'warn'](fields, 'a due time of a schedule was handled');
  });
}

@Module({
  controllers: [DueConsumer, RunsConsumer, SchedulesConsumer],
  providers: [
    {
      provide: Reactions,
      inject: [SERVICE_CONTEXT],
      useFactory: ({ runLog, broker }: ServiceContext) => new Reactions(runLog, broker),
    },
    {
      provide: Schedules,
      inject: [SERVICE_CONTEXT],
      useFactory: schedulesOn,
    },
    {
      provide: LostTimersSweep,
      inject: [SERVICE_CONTEXT, Schedules],
      useFactory: ({ broker, logger }: ServiceContext, schedules: Schedules) =>
        new LostTimersSweep(
          { broker, logger, arm: (address) => schedules.arm(address) },
          readScheduleSweepMs(),
        ),
    },
    {
      provide: QueuePositions,
      inject: [SERVICE_CONTEXT],
      useFactory: ({ broker, logger }: ServiceContext) => new QueuePositions(broker, logger),
    },
    {
      provide: Admission,
      inject: [SERVICE_CONTEXT, QueuePositions],
      useFactory: ({ broker, runLog, settings, logger }: ServiceContext, positions: QueuePositions) => {
        const admission: Admission = new Admission({
          broker,
          runLog,
          limits: new LimitBook(broker, { ...settings, childrenPerRoot: 16 }),
          onQueue: () => positions.changed(admission.ledger),
          onUnpublished: ({ tenant_id, run_id }, error) =>
            logger.warn({ event: 'scheduler.work.not_published', tenant_id, run_id, reason: String(error) }),
        });
        return admission;
      },
    },
  ],
})
class SchedulerModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(Admission) private readonly admission: Admission,
    @Inject(QueuePositions) private readonly positions: QueuePositions,
    @Inject(LostTimersSweep) private readonly lostTimers: LostTimersSweep,
  ) {}

  /** Not awaited: the first commits may be admitted while old grants are checked. */
  onApplicationBootstrap(): void {
    this.admission.open();
    this.lostTimers.start();
    repairGrants(this.context, this.admission).catch((error: unknown) =>
      this.context.logger.warn({ event: 'scheduler.repair.failed', reason: String(error) }),
    );
  }

  async onApplicationShutdown(): Promise<void> {
    this.admission.close();
    this.positions.close();
    await this.lostTimers.stop();
  }
}

export const schedulerDefinition: ServiceDefinition = {
  name: 'run-scheduler',
  modules: () => [SchedulerModule],
};
