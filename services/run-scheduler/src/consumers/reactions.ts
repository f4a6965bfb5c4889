import { Controller, Inject } from '@nestjs/common';
import { DurableConsumer, type Delivery, type StoredMessage } from '@runledger/nest-jetstream';
import { isEndType, type RunEvent } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import { ALL_RUNS, decodeCommit, decodeEvent, parseRunSubject } from '@runledger/wire';
import { Reactions } from '../reactions/reactions.ts';

interface Cause {
  address: RunAddress;
  /** Only those that something may follow from; most commits have none and are not decoded. */
  events: RunEvent[];
}

const CAUSES = new Set([
  'run.parked',
  'retry.scheduled',
  'approval.requested',
  'limits.raised',
  'stop.requested',
]);

function decodeCause(message: StoredMessage): Cause {
  const address = parseRunSubject(message.subject);
  const isChild = message.header('Run-Parent') !== '';
  const wanted = (type: string): boolean =>
    CAUSES.has(type) || type === 'run.requested' || (isChild && isEndType(type));
  if (!message.header('Run-Types').split(',').some(wanted)) return { address, events: [] };
  const { lines } = decodeCommit(message.header, message.text());
  const events = lines.map(decodeEvent).filter((event) => wanted(event.type)) as RunEvent[];
  return { address, events: events.filter(isCause) };
}

/** A start is only of interest when it has a deadline. */
function isCause(event: RunEvent): boolean {
  return event.type !== 'run.requested' || event.data.limits.timeout_s !== null;
}

@Controller()
export class ReactionsConsumer {
  constructor(@Inject(Reactions) private readonly reactions: Reactions) {}

  @DurableConsumer<Cause>({
    durable: 'run-scheduler-reactions',
    stream: 'RUNS',
    filter: ALL_RUNS,
    decode: decodeCause,
    concurrency: 64,
    serialBySubject: true,
    ackWaitMs: 30_000,
    maxAckPending: 10_000,
  })
  async handle({ data: { address, events } }: Delivery<Cause>): Promise<void> {
    if (events.length > 0) await this.reactions.follow(address, events);
  }
}
