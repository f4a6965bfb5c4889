import { Controller, Inject } from '@nestjs/common';
import { DurableConsumer, type Delivery, type StoredMessage } from '@runledger/nest-jetstream';
import type { RunAddress } from '@runledger/run-log';
import { emptyRun, evolve, isEndType, type Run } from '@runledger/run';
import { ALL_RUNS, decodeCommit, decodeEvent, parseRunSubject } from '@runledger/wire';
import { Admission } from '../admission/admission.ts';

export interface Landmark {
  address: RunAddress;
  types: string[];
  /** The run as its first commit made it; absent for later commits. */
  requested?: Run;
}

/** Commits with one of these change who may run. All others are passed over without being read. */
const LANDMARKS = new Set(['run.requested', 'run.parked', 'run.unparked']);

function decodeLandmark(message: StoredMessage): Landmark {
  const address = parseRunSubject(message.subject);
  const types = message.header('Run-Types').split(',');
  if (message.header('Run-First') !== '1') return { address, types };
  const { lines } = decodeCommit(message.header, message.text());
  return { address, types, requested: lines.map(decodeEvent).reduce(evolve, emptyRun(address.run_id)) };
}

@Controller()
export class AdmissionConsumer {
  constructor(@Inject(Admission) private readonly admission: Admission) {}

  @DurableConsumer<Landmark>({
    durable: 'run-scheduler-admission',
    stream: 'RUNS',
    filter: ALL_RUNS,
    decode: decodeLandmark,
    concurrency: 256,
    serialBySubject: true,
    ackWaitMs: 30_000,
    maxAckPending: 10_000,
  })
  async handle({ data: { address, types, requested }, delivery }: Delivery<Landmark>): Promise<void> {
    if (types.some(isEndType)) return this.admission.release(address);
    if (requested && delivery === 1) return this.admission.admit(address, requested);
    if (types.some((type) => LANDMARKS.has(type))) await this.admission.settle(address);
  }
}
