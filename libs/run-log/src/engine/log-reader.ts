/**
 * Owns: reading what is stored of a run.
 *
 * 1. A read looks at the leader once and ends at the last event that it had then.
 * 2. Fails rather than leave out what should be there: events that are missing are those of a run that is being erased,
 *    or cannot be read.
 */
import type { RunAddress, StoredBytes, StoredLine, StoredLines, StoredRun } from '../port.ts';
import { Bookmarks } from './bookmarks.ts';
import type { CommitStore, StoredCommit } from './commit-store.ts';
import { linesOf } from './feed.ts';
import { bytesAfter, commitsAfter, linesAfter, tailOf } from './read.ts';

export class LogReader {
  readonly #bookmarks = new Bookmarks();

  constructor(
    private readonly store: CommitStore,
    /** Why the run's event is not there though a later one is. */
    private readonly missing: (address: RunAddress, seq: number) => Promise<Error>,
  ) {}

  async page(
    address: RunAddress,
    after: number,
    limit: number,
  ): Promise<StoredRun & { lines: StoredLine[] }> {
    const { last, ...tail } = await tailOf(this.store, address);
    const lines: StoredLine[] = [];
    if (last && limit > 0) {
      for await (const batch of this.lines(address, { after, last })) {
        for (const line of batch) lines.push(line);
        if (lines.length >= limit) break;
      }
    }
    return { lines: lines.slice(0, limit), ...tail };
  }

  async replay(
    address: RunAddress,
    after: number,
  ): Promise<StoredRun & { batches: AsyncIterable<StoredLine[]> }> {
    const { last, ...tail } = await tailOf(this.store, address);
    return { ...tail, batches: last ? this.lines(address, { after, last }) : none() };
  }

  async commits(
    address: RunAddress,
    after: number,
  ): Promise<StoredRun & { commits: AsyncIterable<StoredLines> }> {
    const { last, ...tail } = await tailOf(this.store, address);
    return { ...tail, commits: last ? this.#commits(address, { after, last }) : none() };
  }

  async bytes(
    address: RunAddress,
    after: number,
    isShort: boolean,
  ): Promise<StoredRun & { chunks: AsyncIterable<StoredBytes> }> {
    const { last, ...tail } = await tailOf(this.store, address);
    return { ...tail, chunks: last ? this.#bytes(address, { after, last, isShort }) : none() };
  }

  /** Stored lines strictly after `after`, up to `last`, commit by commit. */
  async *lines(
    address: RunAddress,
    cursor: { after: number; last: StoredCommit },
  ): AsyncIterable<StoredLine[]> {
    let next = cursor.after + 1;
    for await (const lines of linesAfter(this.store, this.#bookmarks, address, cursor)) {
      if (lines[0]?.seq !== next) throw await this.missing(address, next);
      next += lines.length;
      yield lines;
    }
  }

  async *#commits(
    address: RunAddress,
    cursor: { after: number; last: StoredCommit },
  ): AsyncIterable<StoredLines> {
    let next = cursor.after + 1;
    for await (const commit of commitsAfter(this.store, this.#bookmarks, address, cursor)) {
      if (commit.first > next) throw await this.missing(address, next);
      next = commit.last + 1;
      yield { lines: linesOf(commit), digest: commit.digest };
    }
  }

  async *#bytes(
    address: RunAddress,
    cursor: { after: number; last: StoredCommit; isShort: boolean },
  ): AsyncIterable<StoredBytes> {
    let next = cursor.after + 1;
    for await (const chunk of bytesAfter(this.store, this.#bookmarks, address, cursor)) {
      if (chunk.first !== next) throw await this.missing(address, next);
      next = chunk.last + 1;
      yield chunk;
    }
  }
}

async function* none(): AsyncGenerator<never> {
  yield* [];
}
