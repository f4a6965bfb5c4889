import type { Timing } from '@runledger/run-log';
import type { Random } from './random.ts';
import { Spans } from './spans.ts';
import type { VirtualTime } from './virtual-time.ts';

/**
 * A process as the rest of the world sees it. Whatever it waits for reaches it through `run`: a dead process never goes
 * on, and one that is paused goes on when it is resumed.
 */
export class SimulatedProcess {
  #state: 'running' | 'paused' | 'dead' = 'running';
  #deferred: (() => void)[] = [];
  #onDeath: (() => void)[] = [];
  readonly #terminated = new AbortController();
  readonly #absences = new Spans();
  readonly timing: Timing;

  constructor(
    readonly name: string,
    private readonly time: VirtualTime,
    random: Random,
  ) {
    this.timing = {
      now: () => time.now,
      timestamp: () => time.timestamp,
      after: (ms, fire) => this.#after(ms, fire),
      every: (ms, fire) => this.#every(ms, fire),
      random: () => random.next(),
    };
  }

  get isDead(): boolean {
    return this.#state === 'dead';
  }

  get isPaused(): boolean {
    return this.#state === 'paused';
  }

  /** Aborted by SIGTERM. */
  get terminated(): AbortSignal {
    return this.#terminated.signal;
  }

  /** Whether it was paused or dead at some time from `from` to `to`. */
  wasAway(from: number, to: number): boolean {
    return this.#absences.meet(from, to);
  }

  run(step: () => void): void {
    if (this.#state === 'running') step();
    else if (this.#state === 'paused') this.#deferred.push(step);
  }

  onDeath(listener: () => void): void {
    if (this.#state === 'dead') listener();
    else this.#onDeath.push(listener);
  }

  pause(): void {
    if (this.#state !== 'running') return;
    this.#state = 'paused';
    this.#absences.begin(this.time.now);
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    this.#absences.end(this.time.now);
    for (const step of this.#deferred.splice(0)) this.run(step);
  }

  terminate(): void {
    this.run(() => this.#terminated.abort('terminated'));
  }

  kill(): void {
    if (this.#state === 'dead') return;
    if (this.#state === 'running') this.#absences.begin(this.time.now);
    this.#state = 'dead';
    this.#deferred = [];
    for (const listener of this.#onDeath.splice(0)) listener();
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#after(ms, resolve));
  }

  #after(ms: number, fire: () => void): () => void {
    let cancelled = false;
    const cancel = this.time.after(ms, () =>
      this.run(() => {
        if (!cancelled) fire();
      }),
    );
    return () => {
      cancelled = true;
      cancel();
    };
  }

  #every(ms: number, fire: () => void): () => void {
    let cancel = (): void => undefined;
    const again = (): void => {
      cancel = this.#after(ms, () => {
        again();
        fire();
      });
    };
    again();
    return () => cancel();
  }
}
