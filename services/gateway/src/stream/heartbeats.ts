export const HEARTBEAT_SLOTS = 15;

/**
 * One timer for the heartbeats of all connections: they stand in the slots of a wheel, one slot is served at each
 * tick, and a turn takes as long as a heartbeat may be apart. However many there are, no tick serves them all at once.
 */
export class Heartbeats<T> {
  readonly #slots: Set<T>[];
  readonly #slotOf = new Map<T, Set<T>>();
  #at = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly everyMs: number,
    private readonly beat: (one: T) => void,
    slots = HEARTBEAT_SLOTS,
  ) {
    this.#slots = Array.from({ length: slots }, () => new Set<T>());
  }

  get count(): number {
    return this.#slotOf.size;
  }

  /** Its first heartbeat is a whole turn away, the others each a turn later. */
  add(one: T): void {
    const slot = this.#slots[this.#at] as Set<T>;
    slot.add(one);
    this.#slotOf.set(one, slot);
    this.#timer ??= setInterval(() => this.tick(), this.everyMs / this.#slots.length).unref();
  }

  remove(one: T): void {
    this.#slotOf.get(one)?.delete(one);
    this.#slotOf.delete(one);
    if (this.#slotOf.size === 0) this.stop();
  }

  tick(): void {
    this.#at = (this.#at + 1) % this.#slots.length;
    for (const one of this.#slots[this.#at] as Set<T>) this.beat(one);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
