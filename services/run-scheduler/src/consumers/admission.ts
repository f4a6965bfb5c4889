import { Controller, Inject } from '@nestjs/common';
import { DurableConsumer, type Delivery } from '@runledger/nest-jetstream';
import type { RunAddress } from '@runledger/run-log';
import { isEndType } from '@runledger/run';
import { ALL_RUNS, parseRunSubject } from '@runledger/wire';
import { Admission } from '../admission/admission.ts';

export interface Landmark {
  address: RunAddress;
  types: string[];
}

/** Commits with one of these change who may run. All others are passed over without being read. */
const LANDMARKS = new Set(['run.requested', 'run.parked', 'run.unparked']);

@Controller()
export class AdmissionConsumer {
  constructor(@Inject(Admission) private readonly admission: Admission) {}

  @DurableConsumer<Landmark>({
    durable: 'run-scheduler-admission',
    stream: 'RUNS',
    filter: ALL_RUNS,
    decode: (message) => ({
      address: parseRunSubject(message.subject),
      types: message.header('Run-Types').split(','),
    }),
    concurrency: 256,
    serialBySubject: true,
    ackWaitMs: 30_000,
    maxAckPending: 10_000,
  })
  async handle({ data: { address, types } }: Delivery<Landmark>): Promise<void> {
    if (types.some(isEndType)) return this.admission.release(address);
    if (types.some((type) => LANDMARKS.has(type))) await this.admission.settle(address);
  }
}
