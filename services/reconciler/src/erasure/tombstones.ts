import { JetStreamApiError } from '@nats-io/jetstream';
import type { Broker } from '@runledger/nest-jetstream';
import type { RunAddress } from '@runledger/run-log';
import { decodeTombstone, encodeTombstone, erasedSubject, type Tombstone } from '@runledger/wire';

const STREAM = 'KV_erased';
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);

export interface StoredTombstone {
  tombstone: Tombstone;
  revision: number;
}

/** Bucket `erased`, through the broker's leader. A tombstone is never removed. */
export class Tombstones {
  constructor(private readonly broker: Broker) {}

  async get({ tenant_id, run_id }: RunAddress): Promise<StoredTombstone | undefined> {
    const jsm = await this.broker.jsm();
    const message = await jsm.streams.getMessage(STREAM, { last_by_subj: erasedSubject(tenant_id, run_id) });
    return message ? { tombstone: decodeTombstone(message.string()), revision: message.seq } : undefined;
  }

  /** Writes over `revision` (0: there is none); answers false when another has written meanwhile. */
  async put({ tenant_id, run_id }: RunAddress, tombstone: Tombstone, revision: number): Promise<boolean> {
    try {
      await this.broker.js.publish(erasedSubject(tenant_id, run_id), encodeTombstone(tombstone), {
        timeout: 5_000,
        expect: { lastSubjectSequence: revision },
      });
      return true;
    } catch (error) {
      if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(error.code)) return false;
      throw error;
    }
  }
}
