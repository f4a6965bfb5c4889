/**
 * Owns: what is live of one watched run in this process: one watch of the store, shared by all its observers.
 *
 * 1. An observer that falls behind its bound loses its buffer, not the feed: it reads the log again from its cursor.
 * 2. Because live copies may be lost, every feed is checked against the leader every 15 s and when the link was gone.
 */
import type { RunAddress, StoredLine } from '../port.ts';
import type { CommitStore, LiveCommit, Watch } from './commit-store.ts';
import type { Timing } from './timing.ts';

const RECHECK_MS = 15_000;
const MAX_BUFFERED_BYTES = 1024 * 1024;

export class Observer {
  #buffer: StoredLine[][] = [];
  #bytes = 0;
  #stale = false;
  #wake: (() => void) | undefined;

  push(lines: StoredLine[], bytes: number): void {
    if (this.#bytes + bytes > MAX_BUFFERED_BYTES) return this.invalidate();
    this.#bytes += bytes;
    this.#buffer.push(lines);
    this.#wake?.();
  }

  /** What is buffered can no longer be trusted to be complete: the log is to be read again. */
  invalidate(): void {
    this.#buffer = [];
    this.#bytes = 0;
    this.#stale = true;
    this.#wake?.();
  }

  /** Everything buffered, or `stale`. Waits while there is neither; undefined once the signal aborts. */
  async take(signal?: AbortSignal): Promise<StoredLine[][] | 'stale' | undefined> {
    while (!this.#stale && this.#buffer.length === 0) {
      if (signal?.aborted) return undefined;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal?.removeEventListener('abort', wake);
          this.#wake = undefined;
          resolve();
        };
        this.#wake = wake;
        signal?.addEventListener('abort', wake, { once: true });
      });
    }
    if (signal?.aborted) return undefined;
    if (this.#stale) {
      this.#stale = false;
      return 'stale';
    }
    const taken = this.#buffer;
    this.#buffer = [];
    this.#bytes = 0;
    return taken;
  }
}

export class Feed {
  readonly ready: Promise<void>;
  #observers = new Set<Observer>();
  #watch: Watch;
  readonly #endChecks: () => void;
  #newest = 0;

  constructor(
    private readonly store: CommitStore,
    timing: Timing,
    private readonly address: RunAddress,
    private readonly onIdle: () => void,
  ) {
    this.#watch = store.watch(
      address,
      (commit) => this.#onLive(commit),
      () => this.#invalidate(),
    );
    this.ready = this.#watch.ready;
    this.#endChecks = timing.every(RECHECK_MS, () => void this.#check());
  }

  join(): Observer {
    const observer = new Observer();
    this.#observers.add(observer);
    return observer;
  }

  leave(observer: Observer): void {
    this.#observers.delete(observer);
    if (this.#observers.size > 0) return;
    this.close();
    this.onIdle();
  }

  close(): void {
    this.#endChecks();
    this.#watch.close();
  }

  #onLive(commit: LiveCommit): void {
    this.#newest = Math.max(this.#newest, commit.last);
    const lines = linesOf(commit);
    const bytes = commit.lines.reduce((sum, line) => sum + line.length, 0);
    for (const observer of this.#observers) observer.push(lines, bytes);
  }

  #invalidate(): void {
    for (const observer of this.#observers) observer.invalidate();
  }

  async #check(): Promise<void> {
    const before = this.#newest;
    const last = await this.store.last(this.address).catch(() => undefined);
    if (!last || last.last <= Math.max(before, this.#newest)) return;
    this.#newest = last.last;
    this.#invalidate();
  }
}

export function linesOf(commit: { first: number; types: string[]; lines: string[] }): StoredLine[] {
  return commit.lines.map((line, index) => ({
    seq: commit.first + index,
    type: commit.types[index] ?? '',
    line,
  }));
}
