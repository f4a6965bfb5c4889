import { Buckets } from '../broker/buckets.ts';
import { KeyRecord } from './key-record.ts';

/** A revocation is effective everywhere within this time. */
export const KEY_CACHE_MS = 5_000;
const MOST_CACHED = 10_000;

interface Cached {
  record: Promise<KeyRecord | undefined>;
  until: number;
}

/** Key records by key id, found or not, each remembered for at most KEY_CACHE_MS. */
export class KeyRecords {
  readonly #cache = new Map<string, Cached>();
  lookups = 0;

  constructor(
    private readonly buckets: Buckets,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Throws LogUnavailable when the record is not cached and the broker does not answer. */
  find(keyId: string): Promise<KeyRecord | undefined> {
    const cached = this.#cache.get(keyId);
    if (cached && this.now() < cached.until) return cached.record;
    const record = this.#read(keyId);
    this.#remember(keyId, { record, until: this.now() + KEY_CACHE_MS });
    record.catch(() => this.#cache.delete(keyId));
    return record;
  }

  async #read(keyId: string): Promise<KeyRecord | undefined> {
    this.lookups += 1;
    const entry = await this.buckets.get('api-keys', keyId);
    if (!entry) return undefined;
    const parsed = KeyRecord.safeParse(safeJson(entry.text));
    return parsed.success && parsed.data.key_id === keyId ? parsed.data : undefined;
  }

  #remember(keyId: string, cached: Cached): void {
    this.#cache.delete(keyId);
    this.#cache.set(keyId, cached);
    const oldest = this.#cache.keys().next();
    if (this.#cache.size > MOST_CACHED && !oldest.done) this.#cache.delete(oldest.value);
  }
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
