/** A minute, and the second that has begun: what is counted is never less than the last sixty seconds. */
const SLOTS = 61;
const SWEEP_AT = 10_000;

interface Counted {
  /** The second that was counted last. */
  second: number;
  /** Requests by second, modulo SLOTS. */
  slots: Uint32Array;
}

/** Requests per minute by key, in this process: never more than the limit within any sixty seconds. */
export class RequestRate {
  readonly #keys = new Map<string, Counted>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Counts the request, and answers undefined; or the whole seconds until one is taken again. */
  take(key: string, perMinute: number): number | undefined {
    const second = Math.floor(this.now() / 1000);
    const { slots } = this.#counted(key, second);
    const count = slots.reduce((sum, one) => sum + one, 0);
    if (count >= perMinute) return secondsUntil(slots, second, count - perMinute + 1);
    slots[second % SLOTS] = (slots[second % SLOTS] ?? 0) + 1;
    return undefined;
  }

  #counted(key: string, second: number): Counted {
    const counted = this.#keys.get(key) ?? { second, slots: new Uint32Array(SLOTS) };
    if (!this.#keys.has(key)) this.#add(key, counted);
    const passed = Math.min(second - counted.second, SLOTS);
    for (let back = 0; back < passed; back += 1) counted.slots[(second - back) % SLOTS] = 0;
    counted.second = second;
    return counted;
  }

  #add(key: string, counted: Counted): void {
    if (this.#keys.size >= SWEEP_AT)
      for (const [other, { second }] of this.#keys)
        if (counted.second - second >= SLOTS) this.#keys.delete(other);
    this.#keys.set(key, counted);
  }
}

/** Until the oldest `needed` requests are no longer counted. */
function secondsUntil(slots: Uint32Array, second: number, needed: number): number {
  let freed = 0;
  for (let wait = 1; wait < SLOTS; wait += 1) {
    freed += slots[(second + wait) % SLOTS] ?? 0;
    if (freed >= needed) return wait;
  }
  return SLOTS;
}
