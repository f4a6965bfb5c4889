import { Kvm, type KV } from '@nats-io/kv';
import type { Broker } from '@runledger/nest-jetstream';
import { queueKey } from '@runledger/wire';
import type { Logger } from 'pino';
import { byTurn, type AdmissionEntry } from './entry.ts';
import type { Ledger } from './ledger.ts';

/** Time between two writes of everybody's queue: the least, how much more for each run that waits, the most. Milliseconds. */
const SETTLE_MS = 100;
const SETTLE_MS_PER_RUN = 0.5;
const MOST_SETTLE_MS = 1_000;
/** Of one queue: about 840 KB of run ids. Runs further back are shown no position yet. */
const MOST_SHOWN = 30_000;

/** A user's queue as it stands in bucket `queue`. `as_of` is the ledger's sequence it was read at: a newer one wins. */
interface StoredQueue {
  run_ids: string[];
  as_of: number;
}

/** Run ids of each user's queue, by its key, in the order of their turn. */
export function queues(entries: Iterable<AdmissionEntry>): Map<string, string[]> {
  const byUser = Map.groupBy(entries, ({ tenant_id, user_id }) => queueKey(tenant_id, user_id));
  return new Map(
    [...byUser].map(([key, waiting]) => [
      key,
      waiting
        .sort(byTurn)
        .slice(0, MOST_SHOWN)
        .map(({ run_id }) => run_id),
    ]),
  );
}

/**
 * Writes each user's queue after it has changed, in the order of their turn: one value for all runs of it, at most once
 * a second when queues are long, however many are granted meanwhile.
 */
export class QueuePositions {
  #bucket: Promise<KV> | undefined;
  #written = new Map<string, string>();
  #pending: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(
    private readonly broker: Broker,
    private readonly logger: Logger,
  ) {}

  /** Soon; many changes in a row are one write. */
  changed(ledger: Pick<Ledger, 'queue' | 'sequence'>): void {
    if (this.#pending !== undefined || this.#closed) return;
    this.#pending = setTimeout(
      () => {
        this.#pending = undefined;
        // One write after the other: two at once would refuse each other.
        this.#writing = this.#writing.then(() => this.#writeOrRepeat(ledger));
      },
      Math.min(MOST_SETTLE_MS, SETTLE_MS + SETTLE_MS_PER_RUN * ledger.queue.size),
    );
    this.#pending.unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#pending);
  }

  async #writeOrRepeat(ledger: Pick<Ledger, 'queue' | 'sequence'>): Promise<void> {
    try {
      await this.#write(ledger);
    } catch (error) {
      this.#bucket = undefined;
      if (this.#closed) return;
      this.logger.warn({ event: 'scheduler.queue.not_written', reason: String(error) });
      this.changed(ledger);
    }
  }

  async #write({ queue, sequence }: Pick<Ledger, 'queue' | 'sequence'>): Promise<void> {
    const now = queues(queue.entries());
    for (const key of this.#written.keys()) if (!now.has(key)) now.set(key, []);
    for (const [key, run_ids] of now) await this.#put(key, { run_ids, as_of: sequence });
  }

  async #put(key: string, queue: StoredQueue): Promise<void> {
    const order = queue.run_ids.join();
    if (this.#written.get(key) === order) return;
    const bucket = await (this.#bucket ??= new Kvm(this.broker.js).open('queue'));
    const stored = await bucket.get(key);
    const before = stored?.operation === 'PUT' ? stored.json<StoredQueue>() : undefined;
    const known = before !== undefined && (before.as_of > queue.as_of || before.run_ids.join() === order);
    if (!known) await bucket.put(key, JSON.stringify(queue), { previousSeq: stored?.revision ?? 0 });
    if (queue.run_ids.length === 0) this.#written.delete(key);
    else this.#written.set(key, order);
  }
}
