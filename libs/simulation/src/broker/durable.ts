/**
 * Owns: messages that are delivered until they are acked, at least once, each to one subscriber at a time.
 *
 * 1. What is neither acked nor kept within the ack wait is delivered again, with a higher delivery number.
 * 2. A subscriber gets no more than it has room for; a paused one is not told apart from one that is busy.
 */
import type { Faults } from '../faults.ts';
import type { Random } from '../random.ts';
import type { SimulatedProcess } from '../simulated-process.ts';
import type { VirtualTime } from '../virtual-time.ts';

export interface Delivery<M> {
  /** The message's number in its stream. */
  id: number;
  message: M;
  /** 1 the first time. */
  delivery: number;
}

export interface Subscription<M> {
  process: SimulatedProcess;
  /** Most deliveries at once. */
  slots: number;
  take: (delivery: Delivery<M>) => void;
}

interface Subscriber<M> extends Subscription<M> {
  busy: number;
}

interface Pending<M> {
  id: number;
  message: M;
  deliveries: number;
  isWaiting: boolean;
  endAckWait: () => void;
}

export interface DurableParts {
  time: VirtualTime;
  faults: Faults;
  random: Random;
}

export class Durable<M> {
  readonly #subscribers = new Set<Subscriber<M>>();
  readonly #pending = new Map<number, Pending<M>>();
  #waiting: Pending<M>[] = [];
  /** When each message was acked first. */
  readonly ackedAt = new Map<number, number>();

  constructor(
    private readonly parts: DurableParts,
    readonly ackWaitMs: number,
  ) {}

  /** Messages that are not acked. */
  get size(): number {
    return this.#pending.size;
  }

  add(id: number, message: M): void {
    const pending: Pending<M> = { id, message, deliveries: 0, isWaiting: false, endAckWait: () => undefined };
    this.#pending.set(id, pending);
    this.#wait(pending);
  }

  /** `done` gives a slot back; `end` unsubscribes. */
  subscribe(subscription: Subscription<M>): { done: () => void; end: () => void } {
    const subscriber: Subscriber<M> = { ...subscription, busy: 0 };
    this.#subscribers.add(subscriber);
    const end = (): void => void this.#subscribers.delete(subscriber);
    subscription.process.onDeath(end);
    this.#deliver();
    const done = (): void => {
      subscriber.busy -= 1;
      this.#deliver();
    };
    return { done, end };
  }

  /** Whoever acks: the broker does not ask whether the delivery is still theirs. */
  acknowledge(id: number): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#remove(pending);
    this.ackedAt.set(id, this.parts.time.now);
  }

  putBack(id: number, delayMs: number): void {
    const pending = this.#pending.get(id);
    if (!pending || pending.isWaiting) return;
    pending.endAckWait();
    pending.endAckWait = this.parts.time.after(delayMs, () => this.#wait(pending));
  }

  working(id: number): void {
    const pending = this.#pending.get(id);
    if (pending && !pending.isWaiting) this.#startAckWait(pending);
  }

  /** Takes a message away, as a broker does that lost what it had not synced. */
  lose(id: number): void {
    const pending = this.#pending.get(id);
    if (pending) this.#remove(pending);
  }

  has(id: number): boolean {
    return this.#pending.has(id);
  }

  ids(): number[] {
    return [...this.#pending.keys()];
  }

  #remove(pending: Pending<M>): void {
    pending.endAckWait();
    this.#pending.delete(pending.id);
    if (pending.isWaiting) this.#waiting = this.#waiting.filter((other) => other !== pending);
  }

  #wait(pending: Pending<M>): void {
    if (pending.isWaiting || !this.#pending.has(pending.id)) return;
    pending.endAckWait();
    pending.isWaiting = true;
    this.#waiting.push(pending);
    this.#deliver();
  }

  #startAckWait(pending: Pending<M>): void {
    pending.endAckWait();
    pending.endAckWait = this.parts.time.after(this.ackWaitMs, () => this.#wait(pending));
  }

  #deliver(): void {
    while (this.#waiting.length > 0) {
      const free = [...this.#subscribers].filter(({ busy, slots }) => busy < slots);
      if (free.length === 0) return;
      this.#send(this.#waiting.shift() as Pending<M>, this.parts.random.pick(free));
    }
  }

  #send(pending: Pending<M>, subscriber: Subscriber<M>): void {
    const { time, faults, random } = this.parts;
    pending.isWaiting = false;
    pending.deliveries += 1;
    subscriber.busy += 1;
    const { id, message, deliveries } = pending;
    time.after(faults.travelMs(), () =>
      subscriber.process.run(() => subscriber.take({ id, message, delivery: deliveries })),
    );
    this.#startAckWait(pending);
    if (faults.strikes('duplicate_delivery')) time.after(random.between(1, 2_000), () => this.#wait(pending));
  }
}
