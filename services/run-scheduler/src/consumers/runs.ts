import { Controller, Inject } from '@nestjs/common';
import { DurableConsumer, type Delivery, type StoredMessage } from '@runledger/nest-jetstream';
import type { RunEvent } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import { ALL_RUNS, parseRunSubject } from '@runledger/wire';
import { Admission } from '../admission/admission.ts';
import { admitBy, decodeLandmark, type Landmark } from '../admission/landmark.ts';
import { causesIn } from '../reactions/cause.ts';
import { Reactions } from '../reactions/reactions.ts';

interface RunCommit {
  address: RunAddress;
  landmark: Landmark;
  causes: RunEvent[];
}

function decodeRunCommit(message: StoredMessage): RunCommit {
  const address = parseRunSubject(message.subject);
  return { address, landmark: decodeLandmark(message, address.run_id), causes: causesIn(message) };
}

/** Every commit, once for both: who may run, and what follows for others. Both may be repeated. */
@Controller()
export class RunsConsumer {
  constructor(
    @Inject(Admission) private readonly admission: Admission,
    @Inject(Reactions) private readonly reactions: Reactions,
  ) {}

  @DurableConsumer<RunCommit>({
    durable: 'run-scheduler-runs',
    stream: 'RUNS',
    filter: ALL_RUNS,
    decode: decodeRunCommit,
    concurrency: 256,
    serialBySubject: true,
    // Also how long a run waits whose delivery was lost with its link: handlers keep theirs for as long as they take.
    ackWaitMs: 10_000,
    maxAckPending: 10_000,
  })
  async handle({ data: { address, landmark, causes }, delivery }: Delivery<RunCommit>): Promise<void> {
    const outcomes = await Promise.allSettled([
      admitBy(this.admission, address, landmark, delivery),
      causes.length > 0 ? this.reactions.follow(address, causes) : undefined,
    ]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }
}
