/**
 * Owns: when a held run is parked by its own holder. Nothing is in flight when it parks; the park is on disk before the
 * agent is interrupted; a run whose every branch waits for children parks after a quiet moment.
 */
import type { HeldBy, ParkReason } from '@runledger/run';
import type { HeldRun, Timing } from '@runledger/run-log';
import { Parked } from './interruptions.ts';

const QUIET_MS = 250;
const GOES_ON = new Set(['condition_already_met', 'run_stopping']);

export interface ParkingParts {
  held: HeldRun;
  heldBy: HeldBy;
  timing: Timing;
  /** Whether parking is out of the question: stop, loss, shutdown. */
  noMore: () => boolean;
  interrupt: (reason: unknown) => void;
}

export class Parking {
  #busy = 0;
  #blocked = 0;
  #endQuiet = (): void => undefined;
  #deciding: Promise<void> | undefined;
  #whenIdle: (() => void)[] = [];
  #parked = false;

  constructor(private readonly parts: ParkingParts) {}

  get parked(): boolean {
    return this.#parked;
  }

  /** The decision that new calls have to wait for; never rejects. */
  get deciding(): Promise<void> | undefined {
    return this.#deciding;
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#busy += 1;
    this.#endQuiet();
    try {
      return await work();
    } finally {
      this.#busy -= 1;
      this.disturb();
      this.touch();
    }
  }

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
    this.#endQuiet();
    if (this.#blocked === 0 || this.#busy > 0 || this.parts.noMore()) return;
    this.#endQuiet = this.parts.timing.after(QUIET_MS, () => void this.park('children'));
  }

  /** Whoever waits for calls in flight looks again. */
  disturb(): void {
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  park(reason: ParkReason, before?: () => Promise<unknown>): Promise<void> {
    this.#deciding ??= this.#park(reason, before)
      .catch((error: unknown) => {
        if (!this.parts.held.lost.aborted) this.parts.interrupt(error);
      })
      .finally(() => {
        this.#deciding = undefined;
      });
    return this.#deciding;
  }

  close(): void {
    this.#endQuiet();
  }

  async #park(reason: ParkReason, before?: () => Promise<unknown>): Promise<void> {
    this.#endQuiet();
    const { held, heldBy, interrupt, noMore } = this.parts;
    while (this.#busy > 0 && !noMore()) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
    if (noMore()) return;
    const [, refusal] = await Promise.all([
      before?.(),
      held.submit({ type: 'ParkRun', held_by: heldBy, reason, detail: reason }),
    ]);
    if (refusal && GOES_ON.has(refusal.code)) return;
    if (refusal) throw new Error(`the run refuses to park: ${refusal.code}: ${refusal.detail}`);
    this.#parked = true;
    interrupt(new Parked(reason));
  }
}
