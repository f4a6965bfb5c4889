import { Kvm, type KV } from '@nats-io/kv';
import type { Broker } from '@runledger/nest-jetstream';
import { queueKey } from '@runledger/wire';
import type { Logger } from 'pino';
import { queues, type AdmissionEntry } from './entry.ts';

const SETTLE_MS = 100;

/** Writes each user's queue to bucket `queue` after it has changed: `{run_ids: […]}` in the order of their turn. */
export class QueuePositions {
  #bucket: Promise<KV> | undefined;
  #written = new Map<string, string>();
  #pending = new Map<string, NodeJS.Timeout>();

  constructor(
    private readonly broker: Broker,
    private readonly logger: Logger,
  ) {}

  /** Soon; many changes in a row are one write. */
  changed(tenantId: string, entries: ReadonlyMap<string, AdmissionEntry>): void {
    if (this.#pending.has(tenantId)) return;
    const timer = setTimeout(() => {
      this.#pending.delete(tenantId);
      this.#write(tenantId, entries).catch((error: unknown) => {
        this.#bucket = undefined;
        this.logger.warn({
          event: 'scheduler.queue.not_written',
          tenant_id: tenantId,
          reason: String(error),
        });
      });
    }, SETTLE_MS);
    timer.unref();
    this.#pending.set(tenantId, timer);
  }

  close(): void {
    for (const timer of this.#pending.values()) clearTimeout(timer);
    this.#pending.clear();
  }

  async #write(tenantId: string, entries: ReadonlyMap<string, AdmissionEntry>): Promise<void> {
    const bucket = await (this.#bucket ??= new Kvm(this.broker.js).open('queue'));
    const now = queues(entries.values());
    for (const [userId, runIds] of now) await this.#put(bucket, queueKey(tenantId, userId), runIds);
    for (const key of this.#written.keys()) {
      const [tenant, user = ''] = key.split('.');
      if (tenant === tenantId && !now.has(user)) await this.#put(bucket, key, []);
    }
  }

  async #put(bucket: KV, key: string, run_ids: string[]): Promise<void> {
    const text = JSON.stringify({ run_ids });
    if (this.#written.get(key) === text) return;
    await bucket.put(key, text);
    this.#written.set(key, text);
    if (run_ids.length === 0) this.#written.delete(key);
  }
}
