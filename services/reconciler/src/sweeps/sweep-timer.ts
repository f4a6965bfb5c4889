import { setTimeout as pause } from 'node:timers/promises';

/** Repeats a sweep, a jittered interval after the end of the one before, so that replicas do not sweep in step. */
export class SweepTimer {
  readonly #stopped = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(
    private readonly intervalMs: number,
    private readonly sweep: (signal: AbortSignal) => Promise<unknown>,
  ) {}

  start(): void {
    this.#loop = this.#repeat(this.#stopped.signal);
  }

  /** Resolves when the sweep that runs has ended. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#loop;
  }

  async #repeat(signal: AbortSignal): Promise<void> {
    for (;;) {
      const jittered = this.intervalMs * (0.75 + Math.random() / 2);
      await pause(jittered, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      await this.sweep(signal);
    }
  }
}
