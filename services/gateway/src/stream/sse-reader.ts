import type { ServerResponse } from 'node:http';

/** A reader with more than this waiting for it, who does not take it at once, is cut; it resumes where it was. */
export const MAX_WAITING_BYTES = 256 * 1024;
/** What "at once" is: long enough for a reader whose machine is busy, which would only come back for more. */
export const GRACE_MS = 2_000;
/** A replay goes at the reader's pace, but not for ever. */
export const REPLAY_STALL_MS = 30_000;
/** What is written at once of a replay, so that small commits do not become small writes. */
export const PIECE_BYTES = 64 * 1024;

export type CutReason = 'slow_reader' | 'stalled_reader';

/** One open connection of a reader: what is written, what waits, and when it is cut. */
export class SseReader {
  cut: CutReason | undefined;
  readonly #gone = new AbortController();
  #listeners: Set<() => void> | undefined;

  constructor(
    private readonly response: ServerResponse,
    private readonly patience = { graceMs: GRACE_MS, stallMs: REPLAY_STALL_MS },
  ) {
    response.once('close', () => this.#leave());
    // A reset connection is an ordinary end of a reader.
    response.on('error', () => this.#leave());
  }

  /** Aborted when the connection is over, whoever ended it. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Tells the listener when the connection is over; answers how to take it off again. Cheaper than the signal. */
  onGone(listener: () => void): () => void {
    const listeners = (this.#listeners ??= new Set());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  get waitingBytes(): number {
    return this.response.writableLength;
  }

  /**
   * Writes what is happening now, unless the reader would have too much waiting: then nothing is written, and it is
   * for `recover` to find out whether it still reads.
   */
  offer(bytes: Uint8Array): boolean {
    if (this.gone.aborted) return true;
    if (this.response.writableNeedDrain && this.waitingBytes + bytes.length > MAX_WAITING_BYTES) return false;
    if (bytes.length > 0) this.response.write(bytes);
    return true;
  }

  /** Whether the reader has taken what waited for it; one that does not is cut. */
  async recover(): Promise<boolean> {
    if (this.gone.aborted) return false;
    if (!this.response.writableNeedDrain || (await this.#drained(this.patience.graceMs))) return true;
    return this.gone.aborted ? false : this.#cutOff('slow_reader');
  }

  /** Writes what is happening now. A reader that is too far behind is cut. Answers whether it is still there. */
  async push(text: string): Promise<boolean> {
    if (this.waitingBytes > MAX_WAITING_BYTES && !(await this.recover())) return false;
    if (this.gone.aborted) return false;
    this.response.write(text);
    return true;
  }

  /** Shows that the connection lives; of no use to a reader that has enough to read. */
  ping(bytes: Uint8Array): void {
    if (!this.gone.aborted && this.waitingBytes === 0) this.response.write(bytes);
  }

  /** Writes what has happened before, at the reader's pace, in pieces. */
  async replay(frames: readonly string[]): Promise<boolean> {
    let piece = '';
    for (const frame of frames) {
      piece += frame;
      if (piece.length < PIECE_BYTES) continue;
      if (!(await this.replayPiece(piece))) return false;
      piece = '';
    }
    return this.replayPiece(piece);
  }

  /** Writes one piece of what has happened before; resolves when the next may follow. */
  async replayPiece(piece: string | Buffer): Promise<boolean> {
    if (this.gone.aborted) return false;
    if (piece.length === 0 || this.response.write(piece)) return true;
    const drained = await this.#drained(this.patience.stallMs);
    if (this.gone.aborted) return false;
    return drained || this.#cutOff('stalled_reader');
  }

  end(): void {
    if (!this.gone.aborted) this.response.end();
  }

  #drained(withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (drained: boolean) => (): void => {
        clearTimeout(timer);
        this.response.off('drain', onDrain);
        this.gone.removeEventListener('abort', onGone);
        resolve(drained);
      };
      const onDrain = done(true);
      const onGone = done(false);
      const timer = setTimeout(done(false), withinMs);
      this.response.once('drain', onDrain);
      this.gone.addEventListener('abort', onGone, { once: true });
    });
  }

  #leave(): void {
    if (this.gone.aborted) return;
    this.#gone.abort();
    for (const listener of this.#listeners ?? []) listener();
    this.#listeners = undefined;
  }

  #cutOff(reason: CutReason): false {
    this.cut = reason;
    this.response.destroy();
    return false;
  }
}
