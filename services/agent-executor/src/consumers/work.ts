import { Controller, Inject, type Type } from '@nestjs/common';
import {
  DurableConsumer,
  type ConsumerDefinition,
  type Delivery,
  type Handled,
} from '@runledger/nest-jetstream';
import type { Settings } from '@runledger/service-host';
import { decodeWork, parseWorkSubject, poolWork, type WorkMessage } from '@runledger/wire';
import { Executor } from '../holding/executor.ts';

type Work = WorkMessage & ReturnType<typeof parseWorkSubject>;

/** Far above the slots of all executors together: the limit is theirs, not the consumer's. */
const MAX_ACK_PENDING = 10_000;

export function workDefinition({
  pool,
  slots,
  leaseS,
}: Pick<Settings, 'pool' | 'slots' | 'leaseS'>): ConsumerDefinition<Work> {
  return {
    durable: `agent-executor-work-${pool}`,
    stream: 'WORK',
    filter: poolWork(pool),
    decode: (message) => ({ ...decodeWork(message.text()), ...parseWorkSubject(message.subject) }),
    concurrency: slots,
    ackWaitMs: leaseS * 1_000,
    maxAckPending: MAX_ACK_PENDING,
    faultDelayMs: [250, 5_000],
  };
}

/** The work of one pool. The message stays un-acked for as long as this process holds the run. */
export function workConsumer(settings: Settings): Type {
  @Controller()
  class WorkConsumer {
    constructor(@Inject(Executor) private readonly executor: Executor) {}

    @DurableConsumer(workDefinition(settings))
    work({ data, stream_seq, delivery, freeSlot }: Delivery<Work>): Promise<Handled> {
      const { tenant_id, run_id, dispatch } = data;
      return this.executor.work(
        { tenant_id, run_id },
        { dispatch, work_seq: stream_seq, delivery },
        freeSlot,
      );
    }
  }
  return WorkConsumer;
}
