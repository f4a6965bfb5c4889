import { isEndType } from '@runledger/run';
import type { RunAddress, StoredBytes, StoredLine, StoredRun } from '../port.ts';
import type { Bookmarks } from './bookmarks.ts';
import type { CommitStore, RawCommit, StoredCommit } from './commit-store.ts';
import { linesOf } from './feed.ts';

interface Cursor {
  after: number;
  /** The leader's last commit. */
  last: StoredCommit;
}

export async function tailOf(
  store: CommitStore,
  address: RunAddress,
): Promise<StoredRun & { last?: StoredCommit }> {
  const last = await store.last(address);
  if (!last) return { last_seq: 0, ended: false, digest: '' };
  return { last_seq: last.last, ended: last.types.some(isEndType), digest: last.digest, last };
}

/** Stored lines strictly after `after`, up to the leader's last commit, commit by commit. */
export async function* linesAfter(
  store: CommitStore,
  bookmarks: Bookmarks,
  address: RunAddress,
  cursor: Cursor,
): AsyncIterable<StoredLine[]> {
  for await (const commit of commitsAfter(store, bookmarks, address, cursor))
    yield sliceAfter(commit, cursor.after);
}

/** The commits that these lines are of, whole. */
export async function* commitsAfter(
  store: CommitStore,
  bookmarks: Bookmarks,
  address: RunAddress,
  { after, last }: Cursor,
): AsyncIterable<StoredCommit> {
  if (after >= last.last) return;
  if (after + 1 < last.first)
    yield* between(address, { after, last }, bookmarks, (from, until) => store.range(address, from, until));
  yield last;
}

/** The same as `linesAfter`, as the stored bytes: each line with the newline that ends it. */
export async function* bytesAfter(
  store: CommitStore,
  bookmarks: Bookmarks,
  address: RunAddress,
  { after, last, isShort }: Cursor & { isShort: boolean },
): AsyncIterable<StoredBytes> {
  if (after >= last.last) return;
  if (after + 1 < last.first) {
    const read = (from: number, until: number) => store.rawRange(address, from, until, isShort);
    for await (const commit of between(address, { after, last }, bookmarks, read)) yield rest(commit, after);
  }
  const payload = Buffer.from(last.lines.map((line) => `${line}\n`).join(''));
  yield rest({ ...last, payload }, after);
}

/** What of a commit comes after the cursor. */
function rest(
  { first, last, types, digest, payload }: Omit<RawCommit, 'stream_seq'>,
  after: number,
): StoredBytes {
  if (first > after) return { first, last, types, digest, bytes: payload };
  const seen = after - first + 1;
  return { first: after + 1, last, types: types.slice(seen), digest, bytes: withoutLines(payload, seen) };
}

/** What lies after the cursor and before the last commit. */
async function* between<T extends { first: number; last: number; stream_seq: number }>(
  address: RunAddress,
  { after, last }: Cursor,
  bookmarks: Bookmarks,
  read: (from: number, until: number) => AsyncIterable<T>,
): AsyncIterable<T> {
  for await (const commit of read(bookmarks.from(address, after), last.stream_seq - 1)) {
    if (commit.last <= after) continue;
    bookmarks.keep(address, commit);
    yield commit;
    // Nothing lies between this one and the last: the store need not look for more.
    if (commit.last + 1 === last.first) return;
  }
}

function withoutLines(payload: Uint8Array, lines: number): Uint8Array {
  let at = 0;
  for (let line = 0; line < lines; line += 1) at = payload.indexOf(10, at) + 1;
  return payload.subarray(at);
}

function sliceAfter(commit: StoredCommit, after: number): StoredLine[] {
  const lines = linesOf(commit);
  return commit.first > after ? lines : lines.slice(after - commit.first + 1);
}
