/**
 * Owns: when a held run is parked by its own holder.
 *
 * 1. Nothing is in flight when the run parks: what was begun is finished and recorded first, and new calls wait for the
 *    decision.
 * 2. The park is on disk before the agent is interrupted; a refusal (what it would wait for has happened) lets it go on.
 * 3. A run whose every branch waits for children parks after a quiet moment. Holding it costs a slot; parking costs a
 *    dispatch and a replay, some tens of milliseconds: a child that ends sooner than a few of those is waited for.
 */
import type { HeldBy, ParkReason } from '@runledger/run';
import type { HeldRun } from '@runledger/run-log';
import { Parked } from './interruptions.ts';

export const QUIET_MS = 250;

const GOES_ON = new Set(['condition_already_met', 'run_stopping']);

export interface ParkingParts {
  held: HeldRun;
  heldBy: HeldBy;
  /** Aborted when parking is out of the question: stop, loss, shutdown. */
  noMore: AbortSignal;
  /** Ends the agent of this attempt. */
  interrupt: (reason: unknown) => void;
}

export class Parking {
  #busy = 0;
  #blocked = 0;
  #quiet: NodeJS.Timeout | undefined;
  #deciding: Promise<void> | undefined;
  #whenIdle: (() => void)[] = [];
  #parked = false;
  /** Whether the engine can be executed again up to where it waits. */
  replayable = false;

  constructor(private readonly parts: ParkingParts) {}

  get parked(): boolean {
    return this.#parked;
  }

  /** The decision that new calls have to wait for; never rejects. */
  get deciding(): Promise<void> | undefined {
    return this.#deciding;
  }

  /** Runs one call of the agent; the run does not park while it lasts. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.enter();
    try {
      return await work();
    } finally {
      this.leave();
    }
  }

  enter(): void {
    this.#busy += 1;
    clearTimeout(this.#quiet);
  }

  leave(): void {
    this.#busy -= 1;
    if (this.#busy > 0) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
    this.touch();
  }

  /** Waits for something that is worth parking for. */
  async whileBlocked<T>(work: () => Promise<T>): Promise<T> {
    this.#blocked += 1;
    this.touch();
    try {
      return await work();
    } finally {
      this.#blocked -= 1;
      this.touch();
    }
  }

  /** Something moved: the quiet moment begins again. */
  touch(): void {
    clearTimeout(this.#quiet);
    if (this.#blocked === 0 || this.#busy > 0 || !this.replayable || this.parts.noMore.aborted) return;
    this.#quiet = setTimeout(() => void this.park('children', 'waits for its child runs'), QUIET_MS);
  }

  /**
   * Resolves when it is decided; `parked` says how. What goes wrong ends the attempt. `before` is submitted in the same
   * turn, so that it shares the park's commit.
   */
  park(reason: ParkReason, detail: string, before?: () => Promise<unknown>): Promise<void> {
    this.#deciding ??= this.#park(reason, detail, before)
      .catch((error: unknown) => {
        if (!this.parts.held.lost.aborted) this.parts.interrupt(error);
      })
      .finally(() => {
        this.#deciding = undefined;
      });
    return this.#deciding;
  }

  /** Resolves once no call is in flight, or when `unless` is aborted. */
  async idle(unless: AbortSignal): Promise<void> {
    if (this.#busy === 0 || unless.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        unless.removeEventListener('abort', done);
        resolve();
      };
      this.#whenIdle.push(done);
      unless.addEventListener('abort', done, { once: true });
    });
  }

  close(): void {
    clearTimeout(this.#quiet);
  }

  async #park(reason: ParkReason, detail: string, before?: () => Promise<unknown>): Promise<void> {
    clearTimeout(this.#quiet);
    while (this.#busy > 0 && !this.parts.noMore.aborted) await this.idle(this.parts.noMore);
    if (this.parts.noMore.aborted) return;
    const { held, heldBy, interrupt } = this.parts;
    const [, refusal] = await Promise.all([
      before?.(),
      held.submit({ type: 'ParkRun', held_by: heldBy, reason, detail }),
    ]);
    if (refusal && GOES_ON.has(refusal.code)) return;
    if (refusal) throw new Error(`the run refuses to park: ${refusal.code}: ${refusal.detail}`);
    this.#parked = true;
    interrupt(new Parked(reason));
  }
}
