import { JetStreamApiError, type JetStreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import type { Broker } from '@runledger/nest-jetstream';
import { admissionKey, bucketSubject } from '@runledger/wire';
import type { AdmissionEntry } from './entry.ts';

const BUCKET_STREAM = 'KV_admission';
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);

/** Another writer was first: the tenant's entries are to be read again and the decision made anew. */
export class LedgerMoved extends Error {}

/**
 * One tenant's part of bucket `admission`, as this process knows it. Every write expects the last sequence over all of
 * the tenant's keys, so what was decided from an old state is refused.
 */
export class TenantLedger {
  readonly entries = new Map<string, AdmissionEntry>();
  #lastSequence: number | undefined;

  constructor(
    private readonly broker: Broker,
    private readonly tenantId: string,
  ) {}

  async load(): Promise<void> {
    if (this.#lastSequence !== undefined) return;
    const jsm = await this.broker.jsm();
    const filter = bucketSubject('admission', `${this.tenantId}.>`);
    this.entries.clear();
    let last = 0;
    for (;;) {
      const page = await readPage(jsm, filter, last + 1);
      for (const message of page) {
        last = message.seq;
        if (message.entry) this.entries.set(message.entry.run_id, message.entry);
        else this.entries.delete(message.run_id);
      }
      if (page.length === 0) break;
    }
    this.#lastSequence = last;
  }

  async put(entry: AdmissionEntry): Promise<void> {
    await this.#write(entry.run_id, JSON.stringify(entry));
    this.entries.set(entry.run_id, entry);
  }

  async remove(runId: string): Promise<void> {
    if (!this.entries.has(runId)) return;
    await this.#write(runId, '', 'DEL');
    this.entries.delete(runId);
  }

  async #write(runId: string, payload: string, operation?: string): Promise<void> {
    const head = headers();
    if (operation) head.set('KV-Operation', operation);
    try {
      const ack = await this.broker.js.publish(
        bucketSubject('admission', admissionKey(this.tenantId, runId)),
        payload,
        {
          headers: head,
          timeout: 5_000,
          expect: {
            lastSubjectSequence: this.#lastSequence ?? 0,
            lastSubjectSequenceSubject: bucketSubject('admission', `${this.tenantId}.>`),
          },
        },
      );
      this.#lastSequence = ack.seq;
    } catch (error) {
      // Whatever happened, the next decision starts from what is stored.
      this.#lastSequence = undefined;
      if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(error.code)) throw new LedgerMoved();
      throw error;
    }
  }
}

interface LedgerMessage {
  seq: number;
  run_id: string;
  entry: AdmissionEntry | undefined;
}

async function readPage(jsm: JetStreamManager, filter: string, from: number): Promise<LedgerMessage[]> {
  const page: LedgerMessage[] = [];
  const batch = await jsm.direct.getBatch(BUCKET_STREAM, { seq: from, batch: 1_000, next_by_subj: filter });
  for await (const message of batch) {
    const run_id = message.subject.split('.').at(-1) ?? '';
    const deleted = message.header.get('KV-Operation') !== '';
    page.push({ seq: message.seq, run_id, entry: deleted ? undefined : message.json<AdmissionEntry>() });
  }
  return page;
}
