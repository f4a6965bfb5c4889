import { isEndType, type EventOf, type EventType, type RunEvent } from '@runledger/run';
import type { RunAddress, StoredCommit } from '@runledger/run-log';
import { decodeEvent } from '@runledger/wire';
import type { SimulatedBroker } from './broker/simulated-broker.ts';

/** One event, where and when it was stored. */
export type StoredEvent<E = RunEvent> = E & {
  stream_seq: number;
  stored_at: number;
  writer: string;
};

/** One run as it is stored when a life is over. */
export class StoredRun {
  readonly events: StoredEvent[] = [];

  constructor(
    readonly address: RunAddress,
    readonly commits: readonly StoredCommit[],
    storedAt: ReadonlyMap<number, number>,
  ) {
    for (const { lines, stream_seq, writer } of commits)
      for (const line of lines) {
        const event = decodeEvent(line) as RunEvent;
        this.events.push({ ...event, stream_seq, stored_at: storedAt.get(stream_seq) ?? 0, writer });
      }
  }

  get run_id(): string {
    return this.address.run_id;
  }

  of<T extends EventType>(type: T): StoredEvent<EventOf<T>>[] {
    return this.events.filter((event) => event.type === type) as unknown as StoredEvent<EventOf<T>>[];
  }

  get end(): StoredEvent | undefined {
    return this.events.find(({ type }) => isEndType(type));
  }
}

export async function readStoredRuns(broker: SimulatedBroker): Promise<Map<string, StoredRun>> {
  const byRun = new Map<string, { address: RunAddress; commits: StoredCommit[] }>();
  for await (const { address, commit } of broker.runs.scan()) {
    const known = byRun.get(address.run_id) ?? { address, commits: [] };
    known.commits.push(commit);
    byRun.set(address.run_id, known);
  }
  const runs = [...byRun.values()].map(
    ({ address, commits }) => new StoredRun(address, commits, broker.storedAt),
  );
  return new Map(runs.map((run) => [run.run_id, run]));
}
