/**
 * Owns: what is live of one watched run in this process, framed once for all its listeners.
 *
 * 1. There is one follower of the log for each watched run, however many listen.
 * 2. A listener is told every commit after the event it attached at, once, in order, synchronously: it must not wait.
 * 3. Whoever is still reading the log finds what was told since it began to in `since`, or reads the log again:
 *    nothing is kept while nobody catches up.
 */
import type { RunAddress, RunLog } from '@runledger/run-log';
import { CommitFrames } from './commit-frames.ts';

export interface Listener {
  onCommit(frames: CommitFrames): void;
  /** No more commits come: the run has ended, or (`failed`) the log cannot be followed. */
  onOver(failed: boolean): void;
}

/** Some commits: who is behind for a moment finds them framed. */
const MAX_RECENT_BYTES = 2 * 1024 * 1024;

export class RunBroadcast {
  readonly #listeners = new Set<Listener>();
  readonly #stop = new AbortController();
  #recent: CommitFrames[] = [];
  #recentBytes = 0;
  #catchingUp = 0;
  /** While listeners are being told of it. */
  #telling: CommitFrames | undefined;
  #over: { failed: boolean } | undefined;

  constructor(
    runLog: Pick<RunLog, 'follow'>,
    address: RunAddress,
    /** The last event that was told: those who come later read what is before it from the log. */
    private at: number,
    private readonly onFailed: (error: unknown) => void,
  ) {
    void this.#follow(runLog, address);
  }

  get over(): { failed: boolean } | undefined {
    return this.#over;
  }

  /** What is told from here on, and what is being told, is kept for a while; `done` when the caller has caught up. */
  catchUp(): { done: () => void } {
    this.#catchingUp += 1;
    if (this.#catchingUp === 1 && this.#telling) this.#keep(this.#telling);
    let isDone = false;
    const done = (): void => {
      if (isDone) return;
      isDone = true;
      this.#catchingUp -= 1;
      if (this.#catchingUp === 0) this.#forget();
    };
    return { done };
  }

  /** What was told after event `seq`; undefined where not all of it is kept. */
  since(seq: number): readonly CommitFrames[] | undefined {
    if (seq >= this.at) return [];
    const from = this.#recent.findIndex(({ last }) => last > seq);
    const first = this.#recent[from]?.first;
    return first === undefined || first > seq + 1 ? undefined : this.#recent.slice(from);
  }

  /** False, and nothing happens, where something after event `seq` has been told already. */
  attach(listener: Listener, seq: number): boolean {
    if (seq < this.at) return false;
    if (this.#over) listener.onOver(this.#over.failed);
    else this.#listeners.add(listener);
    return true;
  }

  detach(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  close(): void {
    this.#stop.abort();
  }

  async #follow(runLog: Pick<RunLog, 'follow'>, address: RunAddress): Promise<void> {
    try {
      for await (const lines of runLog.follow(address, { after: this.at, signal: this.#stop.signal }))
        this.#tell(new CommitFrames(lines));
      this.#finish(false);
    } catch (error) {
      this.onFailed(error);
      this.#finish(true);
    }
  }

  #tell(frames: CommitFrames): void {
    this.at = frames.last;
    if (this.#catchingUp > 0) this.#keep(frames);
    this.#telling = frames;
    for (const listener of this.#listeners) listener.onCommit(frames);
    this.#telling = undefined;
  }

  #keep(frames: CommitFrames): void {
    this.#recent.push(frames);
    this.#recentBytes += frames.bytes(undefined).length;
    while (this.#recentBytes > MAX_RECENT_BYTES)
      this.#recentBytes -= this.#recent.shift()?.bytes(undefined).length ?? 0;
  }

  #forget(): void {
    this.#recent = [];
    this.#recentBytes = 0;
  }

  #finish(failed: boolean): void {
    this.#over = { failed };
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener.onOver(failed);
  }
}
