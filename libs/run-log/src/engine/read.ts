import { isEndType } from '@runledger/run';
import type { RunAddress, StoredLine } from '../port.ts';
import type { CommitStore, StoredCommit } from './commit-store.ts';
import { linesOf } from './feed.ts';

const REMEMBERED_RUNS = 2_000;

/** Where in the stream a cursor of a run lies: so that the next page does not begin at the run's first commit. */
export class Bookmarks {
  #marks = new Map<string, { seq: number; stream_seq: number }>();

  /** Stream sequence to begin at for what comes after `seq`. */
  from(address: RunAddress, after: number): number {
    const mark = this.#marks.get(keyOf(address));
    return mark && mark.seq <= after ? mark.stream_seq + 1 : 1;
  }

  keep(address: RunAddress, commit: StoredCommit): void {
    const key = keyOf(address);
    this.#marks.delete(key);
    this.#marks.set(key, { seq: commit.last, stream_seq: commit.stream_seq });
    if (this.#marks.size > REMEMBERED_RUNS) this.#marks.delete(this.#marks.keys().next().value as string);
  }
}

export interface Tail {
  /** The run's last event at the leader; 0: no such run. */
  last_seq: number;
  ended: boolean;
  digest: string;
  last?: StoredCommit;
}

export async function tailOf(store: CommitStore, address: RunAddress): Promise<Tail> {
  const last = await store.last(address);
  if (!last) return { last_seq: 0, ended: false, digest: '' };
  return { last_seq: last.last, ended: last.types.some(isEndType), digest: last.digest, last };
}

/** Stored lines strictly after `after`, up to the leader's last commit, commit by commit. */
export async function* linesAfter(
  store: CommitStore,
  bookmarks: Bookmarks,
  address: RunAddress,
  cursor: { after: number; last: StoredCommit },
): AsyncIterable<StoredLine[]> {
  for await (const commit of commitsAfter(store, bookmarks, address, cursor))
    yield sliceAfter(commit, cursor.after);
}

/** The commits that these lines are of, whole. */
export async function* commitsAfter(
  store: CommitStore,
  bookmarks: Bookmarks,
  address: RunAddress,
  cursor: { after: number; last: StoredCommit },
): AsyncIterable<StoredCommit> {
  const { after, last } = cursor;
  if (after >= last.last) return;
  if (after + 1 < last.first) {
    for await (const commit of store.range(address, bookmarks.from(address, after), last.stream_seq - 1)) {
      if (commit.last <= after) continue;
      bookmarks.keep(address, commit);
      yield commit;
      // Nothing lies between this one and the last: the store need not look for more.
      if (commit.last + 1 === last.first) break;
    }
  }
  yield last;
}

function sliceAfter(commit: StoredCommit, after: number): StoredLine[] {
  const lines = linesOf(commit);
  return commit.first > after ? lines : lines.slice(after - commit.first + 1);
}

export const keyOf = (address: RunAddress): string => `${address.tenant_id}.${address.run_id}`;
