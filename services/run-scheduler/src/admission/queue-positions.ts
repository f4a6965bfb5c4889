import { Kvm, type KV } from '@nats-io/kv';
import type { Broker } from '@runledger/nest-jetstream';
import { queueKey } from '@runledger/wire';
import type { Logger } from 'pino';
import { queues, type AdmissionEntry } from './entry.ts';

const SETTLE_MS = 100;

/** A user's queue as it stands in bucket `queue`. `as_of` is the ledger's sequence it was read at: a newer one wins. */
interface StoredQueue {
  run_ids: string[];
  as_of: number;
}

type ReadEntries = () => Promise<{ entries: AdmissionEntry[]; as_of: number }>;

/** Writes each user's queue after the ledger has changed, in the order of their turn. */
export class QueuePositions {
  #bucket: Promise<KV> | undefined;
  #written = new Map<string, string>();
  #pending = new Map<string, NodeJS.Timeout>();
  #writing = new Map<string, Promise<void>>();
  #closed = false;

  constructor(
    private readonly broker: Broker,
    private readonly logger: Logger,
  ) {}

  /** Soon; many changes in a row are one write. `read` gives the tenant's entries as they are stored. */
  changed(tenantId: string, read: ReadEntries): void {
    if (this.#pending.has(tenantId)) return;
    const timer = setTimeout(() => {
      this.#pending.delete(tenantId);
      // One write after the other: two at once would refuse each other.
      const before = this.#writing.get(tenantId) ?? Promise.resolve();
      this.#writing.set(
        tenantId,
        before.then(() => this.#writeOrRepeat(tenantId, read)),
      );
    }, SETTLE_MS);
    timer.unref();
    this.#pending.set(tenantId, timer);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#pending.values()) clearTimeout(timer);
    this.#pending.clear();
  }

  async #writeOrRepeat(tenantId: string, read: ReadEntries): Promise<void> {
    try {
      await this.#write(tenantId, read);
    } catch (error) {
      this.#bucket = undefined;
      if (this.#closed) return;
      this.logger.warn({ event: 'scheduler.queue.not_written', tenant_id: tenantId, reason: String(error) });
      this.changed(tenantId, read);
    }
  }

  async #write(tenantId: string, read: ReadEntries): Promise<void> {
    const { entries, as_of } = await read();
    const now = queues(entries);
    for (const key of this.#written.keys()) {
      const [tenant, user = ''] = key.split('.');
      if (tenant === tenantId && !now.has(user)) now.set(user, []);
    }
    for (const [userId, run_ids] of now) await this.#put(queueKey(tenantId, userId), { run_ids, as_of });
  }

  async #put(key: string, queue: StoredQueue): Promise<void> {
    const order = queue.run_ids.join();
    if (this.#written.get(key) === order) return;
    const bucket = await (this.#bucket ??= new Kvm(this.broker.js).open('queue'));
    const stored = await bucket.get(key);
    const newer = stored?.operation === 'PUT' && stored.json<StoredQueue>().as_of > queue.as_of;
    if (!newer) await bucket.put(key, JSON.stringify(queue), { previousSeq: stored?.revision ?? 0 });
    if (queue.run_ids.length === 0) this.#written.delete(key);
    else this.#written.set(key, order);
  }
}
