import type { AdmissionEntry } from './entry.ts';
import type { Ledger } from './ledger.ts';

/**
 * What is asked of a round for one run. `want`: a slot when it is its turn. `take`: a slot whatever the limits say (it
 * was handed over). `keep`: the same for a run that runs, which needs no work message.
 */
export type Request =
  { type: 'want' | 'take' | 'keep'; entry: AdmissionEntry } | { type: 'release'; run_id: string };

/**
 * One decision on what the ledger knows, for any number of requests. The queue and everybody's turn are changed at once
 * and can be put back by `undo`; slots and usage change only with the ledger's commit.
 */
export class Round {
  readonly granted: AdmissionEntry[] = [];
  readonly released: string[] = [];
  /** Whose work message is to be published: what is granted, and what was granted before and asked for again. */
  readonly published: AdmissionEntry[] = [];
  /** Kept as waiting until now. */
  readonly unqueued: AdmissionEntry[] = [];
  /** Asked for and not granted: to be kept. */
  readonly waiting: AdmissionEntry[] = [];
  /** A run is to be released of which the ledger knows nothing. */
  unknown = false;
  readonly #asked = new Map<string, AdmissionEntry>();
  readonly #freed: AdmissionEntry[] = [];
  readonly #undo: (() => void)[] = [];

  constructor(
    private readonly ledger: Ledger,
    requests: Iterable<Request>,
  ) {
    for (const request of requests) this.#handle(request);
    this.#grantNext();
    for (const entry of this.#asked.values())
      if (ledger.queue.get(entry.run_id) === entry) this.waiting.push(entry);
    for (const entry of this.granted) ledger.usage.count(entry, -1);
    for (const slot of this.#freed) ledger.usage.count(slot, 1);
  }

  get changesSlots(): boolean {
    return this.granted.length > 0 || this.released.length > 0;
  }

  undo(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }

  #handle(request: Request): void {
    if (request.type === 'release') {
      const left = [this.#leaveQueue(request.run_id), this.#leaveSlot(request.run_id)];
      if (!left.includes(true)) this.unknown = true;
      return;
    }
    const { entry } = request;
    const slot = this.ledger.slots.get(entry.run_id);
    if (slot && slot.dispatch >= entry.dispatch) {
      if (request.type !== 'keep') this.published.push(slot);
      return;
    }
    this.#leaveSlot(entry.run_id);
    if (request.type === 'want') return this.#ask(entry);
    this.#leaveQueue(entry.run_id);
    this.#grant(entry);
    if (request.type === 'take') this.published.push(entry);
  }

  #ask(entry: AdmissionEntry): void {
    const { queue } = this.ledger;
    const before = queue.get(entry.run_id);
    if (before && before.dispatch >= entry.dispatch) return;
    queue.add(entry);
    this.#undo.push(() => (before ? queue.add(before) : queue.remove(entry.run_id)));
    this.#asked.set(entry.run_id, entry);
  }

  #leaveQueue(runId: string): boolean {
    const { queue } = this.ledger;
    const entry = queue.get(runId);
    if (!entry) return false;
    queue.remove(runId);
    this.#undo.push(() => queue.add(entry));
    if (this.#asked.get(runId) !== entry) this.unqueued.push(entry);
    return true;
  }

  #leaveSlot(runId: string): boolean {
    const slot = this.ledger.slots.get(runId);
    if (!slot || this.#freed.includes(slot)) return false;
    this.released.push(runId);
    this.#freed.push(slot);
    this.ledger.usage.count(slot, -1);
    return true;
  }

  #grant(entry: AdmissionEntry): void {
    this.granted.push(entry);
    this.ledger.usage.count(entry, 1);
  }

  /** At most MOST_GRANTS: a message has a size. */
  #grantNext(): void {
    const { queue, usage } = this.ledger;
    while (this.granted.length < MOST_GRANTS) {
      const taken = queue.take(usage);
      if (!taken) return;
      this.#undo.push(taken.undo);
      if (this.#asked.get(taken.entry.run_id) !== taken.entry) this.unqueued.push(taken.entry);
      this.#grant(taken.entry);
      this.published.push(taken.entry);
    }
  }
}

/** Grants of one message; the slots that are stated again come on top. */
export const MOST_GRANTS = 500;
