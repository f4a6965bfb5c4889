import { decodeCommit, type EncodedCommit } from '@runledger/wire';
import type {
  Appended,
  CommitStore,
  LiveCommit,
  RawCommit,
  StoredCommit,
  Watch,
} from '../engine/commit-store.ts';
import { keyOf } from '../engine/key-of.ts';
import type { RunAddress } from '../port.ts';

/** One stream in memory, with the fence and the order of the real one. */
export class MemoryCommitStore implements CommitStore {
  #stream: { address: RunAddress; commit: StoredCommit }[] = [];
  #byRun = new Map<string, StoredCommit[]>();
  #watchers = new Map<string, Set<(commit: LiveCommit) => void>>();
  #blobs = new Map<string, string>();
  #erased = new Set<string>();
  #appended = 0;

  async last(address: RunAddress): Promise<StoredCommit | undefined> {
    return this.#commits(address).at(-1);
  }

  async next(address: RunAddress, afterStreamSeq: number): Promise<StoredCommit | undefined> {
    return this.#commits(address).find((commit) => commit.stream_seq > afterStreamSeq);
  }

  async *range(address: RunAddress, from: number, until: number): AsyncIterable<StoredCommit> {
    for (const commit of [...this.#commits(address)])
      if (commit.stream_seq >= from && commit.stream_seq <= until) yield commit;
  }

  async *rawRange(address: RunAddress, from: number, until: number): AsyncIterable<RawCommit> {
    for await (const { lines, ...commit } of this.range(address, from, until))
      yield { ...commit, payload: Buffer.from(lines.map((line) => `${line}\n`).join('')) };
  }

  async append(address: RunAddress, encoded: EncodedCommit, expectation: number): Promise<Appended> {
    const commits = this.#commits(address);
    const previous = commits.at(-1)?.stream_seq ?? 0;
    if (previous !== expectation) return { outcome: 'unknown', cause: 'wrong last sequence' };
    const stream_seq = (this.#appended += 1);
    const commit = { ...decodeCommit((name) => encoded.headers[name] ?? '', encoded.payload), stream_seq };
    this.#stream.push({ address, commit });
    commits.push(commit);
    this.#byRun.set(keyOf(address), commits);
    queueMicrotask(() => {
      for (const watcher of this.#watchers.get(keyOf(address)) ?? []) watcher({ ...commit, previous });
    });
    return { outcome: 'stored', stream_seq };
  }

  watch(address: RunAddress, onCommit: (commit: LiveCommit) => void): Watch {
    const watchers = this.#watchers.get(keyOf(address)) ?? new Set();
    watchers.add(onCommit);
    this.#watchers.set(keyOf(address), watchers);
    return { ready: Promise.resolve(), close: () => void watchers.delete(onCommit) };
  }

  async *scan(): AsyncIterable<{ address: RunAddress; commit: StoredCommit }> {
    yield* this.#stream.slice();
  }

  async putBlob(key: string, text: string): Promise<void> {
    this.#blobs.set(key, text);
  }

  async getBlob(key: string): Promise<string | undefined> {
    return this.#blobs.get(key);
  }

  async isErased(address: RunAddress): Promise<boolean> {
    return this.#erased.has(keyOf(address));
  }

  /** Gives the run a tombstone and takes its first commit away, as erasing does. */
  beginErasing(address: RunAddress): void {
    this.#erased.add(keyOf(address));
    const first = this.#commits(address).shift();
    this.#stream = this.#stream.filter(({ commit }) => commit !== first);
  }

  async close(): Promise<void> {
    this.#watchers.clear();
  }

  #commits(address: RunAddress): StoredCommit[] {
    return this.#byRun.get(keyOf(address)) ?? [];
  }
}
