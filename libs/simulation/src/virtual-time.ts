/**
 * Owns: the only clock of a life, and the order in which things happen.
 *
 * 1. Time moves only when nothing is left to do at the present instant.
 * 2. What is due at one instant happens in the order in which it was scheduled.
 */
const EPOCH = Date.UTC(2026, 0, 1);
/** The event loop of the real process gets a turn this often, so that a test runner is heard. */
const BREATH_EVERY = 512;

interface Event {
  at: number;
  order: number;
  happen: () => void;
  cancelled: boolean;
}

export class VirtualTime {
  #now = 0;
  #scheduled = 0;
  #instants = 0;
  readonly #heap: Event[] = [];

  /** Milliseconds since the life began. */
  get now(): number {
    return this.#now;
  }

  get instants(): number {
    return this.#instants;
  }

  /** RFC 3339 UTC with milliseconds. */
  get timestamp(): string {
    return new Date(EPOCH + this.#now).toISOString();
  }

  /** The instant of a timestamp, in milliseconds since the life began. */
  instantOf(timestamp: string): number {
    return Date.parse(timestamp) - EPOCH;
  }

  timestampOf(instant: number): string {
    return new Date(EPOCH + instant).toISOString();
  }

  /** The answer cancels it. */
  after(ms: number, happen: () => void): () => void {
    const event = {
      at: this.#now + Math.max(0, Math.ceil(ms)),
      order: this.#scheduled++,
      happen,
      cancelled: false,
    };
    this.#push(event);
    return () => {
      event.cancelled = true;
    };
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Lets time pass until `done` or until the instant `until`; true when it was `done`. */
  async pass(until: number, done: () => boolean): Promise<boolean> {
    await settled();
    for (let first = this.#heap[0]; first && first.at <= until; first = this.#heap[0]) {
      if (done()) return true;
      this.#now = first.at;
      let happened = false;
      while (this.#heap[0]?.at === this.#now) {
        const event = this.#pop();
        if (event.cancelled) continue;
        event.happen();
        happened = true;
      }
      if (!happened) continue;
      this.#instants += 1;
      await (this.#instants % BREATH_EVERY === 0 ? breath() : settled());
    }
    this.#now = Math.max(this.#now, until);
    return done();
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event {
    const heap = this.#heap;
    const first = heap[0] as Event;
    const last = heap.pop() as Event;
    const size = heap.length;
    if (size === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && isBefore(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Resolves when no promise has anything left to do: ticks come after the last of the microtasks. */
const settled = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
