import { Inject, Injectable } from '@nestjs/common';
import type { RunAddress } from '@runledger/run-log';
import { admissionKey, decodeTombstone, encodeTombstone, type Tombstone } from '@runledger/wire';
import { Buckets } from '../../broker/buckets.ts';

const REMEMBERED = 10_000;

/** Bucket `erased`: which runs are gone. A tombstone is never removed. */
@Injectable()
export class Tombstones {
  /** Written here: a replica of the broker that is asked about many runs at once may not have them yet. */
  readonly #own = new Set<string>();

  constructor(@Inject(Buckets) private readonly buckets: Buckets) {}

  /** From the leader. Throws LogUnavailable. */
  async find({ tenant_id, run_id }: RunAddress): Promise<Tombstone | undefined> {
    const entry = await this.buckets.get('erased', admissionKey(tenant_id, run_id));
    return entry && decodeTombstone(entry.text);
  }

  /** Writes the tombstone, or answers the one that was there before. Throws LogUnavailable. */
  async create(address: RunAddress, tombstone: Tombstone): Promise<Tombstone> {
    const key = admissionKey(address.tenant_id, address.run_id);
    const created = await this.buckets.create('erased', key, encodeTombstone(tombstone));
    this.#own.add(key);
    const [oldest] = this.#own;
    if (this.#own.size > REMEMBERED && oldest !== undefined) this.#own.delete(oldest);
    return created ? tombstone : ((await this.find(address)) ?? tombstone);
  }

  /** Those of a tenant's runs that are erased, at most 1,000 of them asked about. Throws LogUnavailable. */
  async among(tenantId: string, runIds: readonly string[]): Promise<Set<string>> {
    const keys = runIds.map((runId) => admissionKey(tenantId, runId));
    const present = await this.buckets.present('erased', keys);
    return new Set(
      runIds.filter((_, index) => present.has(keys[index] ?? '') || this.#own.has(keys[index] ?? '')),
    );
  }
}
