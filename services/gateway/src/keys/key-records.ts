import { Buckets } from '../broker/buckets.ts';
import { ShortMemory } from '../broker/short-memory.ts';
import { KeyRecord } from './key-record.ts';

/** How long a record is believed. With the look at open streams, a revocation is effective everywhere within 5 s. */
export const KEY_CACHE_MS = 2_000;
export const LAST_USED_EVERY_MS = 60_000;
const MOST_CACHED = 10_000;
const ATTEMPTS = 8;

export interface StoredKey {
  record: KeyRecord;
  revision: number;
}

/** Key records by key id, found or not, each remembered for at most KEY_CACHE_MS. */
export class KeyRecords {
  readonly #memory: ShortMemory<StoredKey | undefined>;
  lookups = 0;

  constructor(
    private readonly buckets: Buckets,
    now?: () => number,
  ) {
    this.#memory = new ShortMemory({ ms: KEY_CACHE_MS, most: MOST_CACHED }, now);
  }

  /** Throws LogUnavailable when the record is not cached and the broker does not answer. */
  async find(keyId: string): Promise<KeyRecord | undefined> {
    return (await this.#memory.get(keyId, () => this.read(keyId)))?.record;
  }

  /** As it is now, from the leader. */
  async read(keyId: string): Promise<StoredKey | undefined> {
    this.lookups += 1;
    const entry = await this.buckets.get('api-keys', keyId);
    if (!entry) return undefined;
    const parsed = KeyRecord.safeParse(safeJson(entry.text));
    if (!parsed.success || parsed.data.key_id !== keyId) return undefined;
    return { record: parsed.data, revision: entry.revision };
  }

  /**
   * Rewrites a record with what `change` makes of it, which is asked again when another was faster; nothing leaves it as
   * it is. Answers the record that is then stored, undefined when there is none.
   */
  async change(
    keyId: string,
    change: (record: KeyRecord) => KeyRecord | undefined,
  ): Promise<KeyRecord | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const stored = await this.read(keyId);
      const changed = stored && change(stored.record);
      if (!changed) return stored?.record;
      if (await this.buckets.update('api-keys', keyId, JSON.stringify(changed), stored.revision)) {
        this.#memory.forget(keyId);
        return changed;
      }
    }
    throw new Error(`key ${keyId} is changed by many at once`);
  }

  /**
   * Writes that the key is in use, at most once a minute over all replicas: the write is conditional on the revision that
   * was read, so that it never undoes a revocation.
   */
  async noteUse(keyId: string): Promise<void> {
    const stored = await this.#memory.get(keyId, () => this.read(keyId));
    if (!stored || isRecent(stored.record.last_used_at)) return;
    const used = { ...stored.record, last_used_at: new Date().toISOString() };
    // For those who ask before the memory is read anew.
    stored.record.last_used_at = used.last_used_at;
    await this.buckets.update('api-keys', keyId, JSON.stringify(used), stored.revision);
  }
}

const isRecent = (at: string | undefined): boolean =>
  at !== undefined && Date.now() - Date.parse(at) < LAST_USED_EVERY_MS;

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
