import type { StoredLine } from '@runledger/run-log';
import type { CommitFrames, TypeFilter } from '../commit-frames.ts';
import type { Sink } from '../run-watcher.ts';
import { bodyOf } from '../sse-frame.ts';
import { PIECE_BYTES, type SseReader } from '../sse-reader.ts';
import { MOST_RUNS, type RunCursors } from './run-cursors.ts';

/** One connection of many runs: whose turn it is to replay, for only one run's past may wait for the reader. */
export class ManyConnection {
  /** Runs whose last event was sent. */
  readonly finished = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    readonly reader: SseReader,
    readonly cursors: RunCursors,
    readonly filter: TypeFilter | undefined,
  ) {}

  framesOf(runId: string, lines: readonly StoredLine[]): string {
    let text = '';
    for (const stored of lines) {
      if (this.filter && !this.filter.types.has(stored.type)) continue;
      this.cursors.set(runId, stored.seq);
      text += `id: ${this.cursors.token}\n${bodyOf(stored)}`;
    }
    return text;
  }

  /** Gives up the cursors of the oldest runs that are finished, where so many more would not fit. */
  makeRoom(runs: number): void {
    for (const runId of [...this.finished].sort()) {
      if (this.cursors.size + runs <= MOST_RUNS) return;
      this.finished.delete(runId);
      this.cursors.drop(runId);
    }
  }

  inTurn(write: () => Promise<boolean>): Promise<boolean> {
    const turn = this.#turn.then(write);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** A run's place on a connection of many. Its frames' ids carry the cursors of all. */
export class ManySink implements Sink {
  #lines: StoredLine[] = [];
  #bytes = 0;

  constructor(
    private readonly connection: ManyConnection,
    private readonly runId: string,
  ) {}

  get hasLeft(): boolean {
    return this.connection.reader.gone.aborted;
  }

  onGone(listener: () => void): () => void {
    return this.connection.reader.onGone(listener);
  }

  async replay(lines: readonly StoredLine[]): Promise<boolean> {
    for (const stored of lines) {
      this.#lines.push(stored);
      this.#bytes += stored.line.length;
    }
    return this.#bytes < PIECE_BYTES ? !this.hasLeft : this.flush();
  }

  /** Framed only when it is written: a cursor in an id must not be ahead of what was sent before it. */
  flush(): Promise<boolean> {
    const lines = this.#lines;
    this.#lines = [];
    this.#bytes = 0;
    const { connection } = this;
    if (lines.length === 0) return Promise.resolve(!this.hasLeft);
    return connection.inTurn(() => connection.reader.replayPiece(connection.framesOf(this.runId, lines)));
  }

  async replayFramed(frames: CommitFrames, after: number): Promise<boolean> {
    return (await this.replay(frames.after(after).lines)) && this.flush();
  }

  offer(frames: CommitFrames, after: number): boolean {
    const { connection, runId } = this;
    const before = connection.cursors.get(runId) ?? 0;
    const text = connection.framesOf(runId, frames.after(after).lines);
    if (connection.reader.offer(Buffer.from(text))) return true;
    connection.cursors.set(runId, before);
    return false;
  }

  recover(): Promise<boolean> {
    return this.connection.reader.recover();
  }
}
