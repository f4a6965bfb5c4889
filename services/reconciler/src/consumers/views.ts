import { Controller, Inject } from '@nestjs/common';
import { DurableConsumer, type ConsumerDefinition, type Delivery } from '@runledger/nest-jetstream';
import type { RunAddress } from '@runledger/run-log';
import { ALL_RUNS, decodeCommit, decodeEvent, parseRunSubject } from '@runledger/wire';
import { ViewProjector, type FoldableCommit } from '../views/projector.ts';

export interface ViewWork {
  address: RunAddress;
  commit: FoldableCommit;
}

export const viewsConsumer: ConsumerDefinition<ViewWork> = {
  durable: 'reconciler-views',
  stream: 'RUNS',
  filter: ALL_RUNS,
  decode: (message) => {
    const { first, last, digest, lines } = decodeCommit(message.header, message.text());
    return {
      address: parseRunSubject(message.subject),
      commit: { first, last, digest, events: lines.map(decodeEvent) },
    };
  },
  // Also the most views of one transaction: commits that are handled together are written together.
  concurrency: 128,
  serialBySubject: true,
  ackWaitMs: 30_000,
  maxAckPending: 1_000,
  // Views are back soon after their store is, however long it was away.
  faultDelayMs: [250, 5_000],
};

/** Keeps the views equal to the log. Acked when the view is written. */
@Controller()
export class ViewsConsumer {
  constructor(@Inject(ViewProjector) private readonly projector: ViewProjector) {}

  @DurableConsumer(viewsConsumer)
  async project({ data: { address, commit } }: Delivery<ViewWork>): Promise<void> {
    await this.projector.advance(address, [commit]);
  }
}
