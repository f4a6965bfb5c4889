import type { RecordedEvent } from '@runledger/harness';
import type { EventData } from '@runledger/run';
import type { RunAddress, RunLog, StoredLine } from '@runledger/run-log';
import { decodeEvent } from '@runledger/wire';

const PAGE = 2_000;

/** Every event of a run up to `last`, oldest first. `known`: the run's first lines, where they were read before. */
export async function readHistory(
  runLog: RunLog,
  address: RunAddress,
  last: number,
  known: readonly StoredLine[] = [],
): Promise<RecordedEvent[]> {
  const events = known.slice(0, last).map(recorded);
  while (events.length < last) {
    const page = await runLog.page(address, events.length, Math.min(PAGE, last - events.length));
    if (page.lines.length === 0)
      throw new Error(`the log of run ${address.run_id} ends at ${events.length}, not at ${last}`);
    events.push(...page.lines.map(recorded));
  }
  return events;
}

function recorded({ line }: StoredLine): RecordedEvent {
  const { seq, type, attempt, data } = decodeEvent(line);
  return { seq, type, attempt, data };
}

export function requestOf(history: readonly RecordedEvent[]): EventData['run.requested'] {
  const first = history[0];
  if (first?.type !== 'run.requested') throw new Error('a run begins with run.requested');
  return first.data as EventData['run.requested'];
}
