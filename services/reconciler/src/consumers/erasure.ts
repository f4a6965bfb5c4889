import { Controller, Inject } from '@nestjs/common';
import {
  DurableConsumer,
  type ConsumerDefinition,
  type Delivery,
  type Handled,
} from '@runledger/nest-jetstream';
import type { RunAddress } from '@runledger/run-log';
import { ALL_ERASED, parseErasedSubject } from '@runledger/wire';
import { Eraser } from '../erasure/eraser.ts';

/**
 * Tombstones, rather than a sweep over them: there are more of them every day, for ever, and a durable remembers which
 * are not done. A message stands for its subject only; what is to be done is in the tombstone as the leader has it.
 */
export const erasureConsumer: ConsumerDefinition<RunAddress> = {
  durable: 'reconciler-erasure',
  stream: 'KV_erased',
  filter: ALL_ERASED,
  decode: (message) => parseErasedSubject(message.subject),
  // One at a time: overwriting holds up appends to the same stream.
  concurrency: 1,
  serialBySubject: true,
  // How soon another goes on where a process died; and how often a tombstone comes by that waits for its second look.
  ackWaitMs: 20_000,
  // Those that wait must not keep new ones from coming.
  maxAckPending: 100_000,
  faultDelayMs: [500, 15_000],
};

@Controller()
export class ErasureConsumer {
  constructor(@Inject(Eraser) private readonly eraser: Eraser) {}

  @DurableConsumer(erasureConsumer)
  erase({ data }: Delivery<RunAddress>): Promise<Handled> {
    return this.eraser.handle(data);
  }
}
