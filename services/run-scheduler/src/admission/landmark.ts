import { emptyRun, evolve, isEndType, type Run } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import type { StoredMessage } from '@runledger/nest-jetstream';
import { decodeCommit, decodeEvent } from '@runledger/wire';
import type { Admission } from './admission.ts';

/** What a commit means for who may run. */
export interface Landmark {
  types: string[];
  /** The run as its first commit made it; absent for later commits. */
  requested?: Run;
}

/** Commits with one of these change who may run. All others are passed over without being read. */
const LANDMARKS = new Set(['run.requested', 'run.parked', 'run.unparked']);

export function decodeLandmark(message: StoredMessage, runId: string): Landmark {
  const types = message.header('Run-Types').split(',');
  if (message.header('Run-First') !== '1') return { types };
  const { lines } = decodeCommit(message.header, message.text());
  return { types, requested: lines.map(decodeEvent).reduce(evolve, emptyRun(runId)) };
}

/** `delivery`: only at the first may the commit itself be believed; later the run is read. */
export async function admitBy(
  admission: Admission,
  address: RunAddress,
  { types, requested }: Landmark,
  delivery: number,
): Promise<void> {
  if (types.some(isEndType)) return admission.release(address);
  if (requested && delivery === 1) return admission.admit(address, requested);
  if (types.some((type) => LANDMARKS.has(type))) await admission.settle(address);
}
