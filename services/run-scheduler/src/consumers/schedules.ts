import { Controller, Inject } from '@nestjs/common';
import { DurableConsumer, type Delivery } from '@runledger/nest-jetstream';
import { ALL_SCHEDULES, parseScheduleSubject } from '@runledger/wire';
import { Schedules, type ScheduleAddress } from '../schedules/schedules.ts';

/** Every change of a definition sets its timer anew. A message stands for its subject only. */
@Controller()
export class SchedulesConsumer {
  constructor(@Inject(Schedules) private readonly schedules: Schedules) {}

  @DurableConsumer<ScheduleAddress>({
    durable: 'run-scheduler-schedules',
    stream: 'KV_schedules',
    filter: ALL_SCHEDULES,
    decode: (message) => parseScheduleSubject(message.subject),
    concurrency: 16,
    serialBySubject: true,
    ackWaitMs: 30_000,
    maxAckPending: 1_000,
  })
  async handle({ data }: Delivery<ScheduleAddress>): Promise<void> {
    await this.schedules.arm(data);
  }
}
