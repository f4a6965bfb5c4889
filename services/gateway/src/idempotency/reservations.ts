import { Inject, Injectable } from '@nestjs/common';
import type { PreparedStart } from '@runledger/run-log';
import { hashKey } from '@runledger/wire';
import { Buckets } from '../broker/buckets.ts';
import { Problem } from '../problem/problem.ts';

/** The value in bucket `idempotency`: everything needed to complete the start. */
export interface Reservation {
  run_id: string;
  body_sha256: string;
  start: PreparedStart;
}

/** Reserved starts by the hash of (tenant, user, key). A record is never changed. */
@Injectable()
export class Reservations {
  constructor(@Inject(Buckets) private readonly buckets: Buckets) {}

  /** The reservation under this key, whose body must be the same: `idempotency_key_reused` otherwise. */
  async find(key: string, bodySha256: string): Promise<Reservation | undefined> {
    const reservation = await this.lookUp(key);
    if (!reservation) return undefined;
    if (reservation.body_sha256 !== bodySha256)
      throw new Problem(
        'idempotency_key_reused',
        'This idempotency key was used for a start with another body.',
        {
          errors: [{ in: 'header', pointer: '/idempotency-key', detail: 'used with another body' }],
        },
      );
    return reservation;
  }

  /** The reservation under this key, whatever its body. */
  async lookUp(key: string): Promise<Reservation | undefined> {
    const entry = await this.buckets.get('idempotency', hashKey(key));
    return entry ? (JSON.parse(entry.text) as Reservation) : undefined;
  }

  /** Reserves, or answers the reservation that was there before. */
  async reserve(key: string, reservation: Reservation): Promise<Reservation> {
    const created = await this.buckets.create('idempotency', hashKey(key), JSON.stringify(reservation));
    if (created) return reservation;
    const existing = await this.find(key, reservation.body_sha256);
    if (!existing)
      throw new Problem('outcome_unknown', 'The idempotency key could not be reserved. Repeat the request.');
    return existing;
  }
}
