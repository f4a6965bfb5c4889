import { emptyRun, evolve, isEndType, type EventOf, type Run } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import type { StoredMessage } from '@runledger/nest-jetstream';
import { decodeCommit, decodeEvent } from '@runledger/wire';
import type { Admission, Requested } from './admission.ts';

/** What a commit means for who may run. */
export interface Landmark {
  types: string[];
  /** The run as its first commit made it; absent for later commits. */
  requested?: { run: Run; request: Requested };
}

/** Commits with one of these change who may run. All others are passed over without being read. */
const LANDMARKS = new Set(['run.requested', 'run.parked', 'run.unparked']);

export function decodeLandmark(message: StoredMessage, runId: string): Landmark {
  const types = message.header('Run-Types').split(',');
  if (message.header('Run-First') !== '1') return { types };
  const { lines } = decodeCommit(message.header, message.text());
  const events = lines.map(decodeEvent);
  const first = events[0] as EventOf<'run.requested'>;
  return { types, requested: { run: events.reduce(evolve, emptyRun(runId)), request: first.data } };
}

/** `delivery`: only at the first may the commit itself be believed; later the run is read. */
export async function admitBy(
  admission: Admission,
  address: RunAddress,
  { types, requested }: Landmark,
  delivery: number,
): Promise<void> {
  if (types.some(isEndType)) return admission.release(address);
  if (requested && delivery === 1) return admission.admit(requested.run, requested.request);
  if (types.some((type) => LANDMARKS.has(type))) await admission.settle(address);
}
