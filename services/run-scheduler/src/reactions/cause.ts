import { isEndType, type RunEvent } from '@runledger/run';
import type { StoredMessage } from '@runledger/nest-jetstream';
import { decodeCommit, decodeEvent } from '@runledger/wire';

const CAUSES = new Set([
  'run.parked',
  'retry.scheduled',
  'approval.requested',
  'limits.raised',
  'stop.requested',
]);

/** The events of a commit that something may follow from; most commits have none and are not decoded. */
export function causesIn(message: StoredMessage): RunEvent[] {
  const isChild = message.header('Run-Parent') !== '';
  const wanted = (type: string): boolean =>
    CAUSES.has(type) || type === 'run.requested' || (isChild && isEndType(type));
  if (!message.header('Run-Types').split(',').some(wanted)) return [];
  const { lines } = decodeCommit(message.header, message.text());
  const events = lines.map(decodeEvent).filter((event) => wanted(event.type)) as RunEvent[];
  return events.filter(isCause);
}

/** A start is only of interest when it has a deadline. */
function isCause(event: RunEvent): boolean {
  return event.type !== 'run.requested' || event.data.limits.timeout_s !== null;
}
