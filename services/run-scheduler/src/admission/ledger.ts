import { JetStreamApiError } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import type { Broker } from '@runledger/nest-jetstream';
import { directPage } from '@runledger/run-log';
import { admissionKey, bucketSubject } from '@runledger/wire';
import type { AdmissionEntry } from './entry.ts';

const BUCKET_STREAM = 'KV_admission';
const READ_TIMEOUT_MS = 5_000;
/**
 * Seconds for which the mark of a removed entry stays. The broker looks at all of a tenant's keys for each expectation,
 * so marks that stayed would make every write dearer than the one before.
 */
const MARK_S = 10;
/**
 * Milliseconds for which a ledger is believed without a word from the broker. Far less than a mark stays: once a mark is
 * gone, a ledger that never saw it would meet its expectation, and keep what was removed.
 */
const BELIEVED_MS = 3_000;
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
  #confirmedAt = -Infinity;
  #writes = 0;

  constructor(
    private readonly broker: Broker,
    private readonly tenantId: string,
  ) {}

  async load(): Promise<void> {
    if (this.#lastSequence !== undefined && performance.now() - this.#confirmedAt < BELIEVED_MS) return;
    const begun = performance.now();
    const filter = bucketSubject('admission', `${this.tenantId}.>`);
    this.entries.clear();
    let last = 0;
    for (let done = false; !done;) {
      const page = await directPage(
        this.broker.nc,
        BUCKET_STREAM,
        { seq: last + 1, next_by_subj: filter },
        READ_TIMEOUT_MS,
      );
      for (const message of page) {
        last = message.seq;
        const runId = message.subject.split('.').at(-1) ?? '';
        if (message.headers.get('KV-Operation')) this.entries.delete(runId);
        else this.entries.set(runId, JSON.parse(message.text) as AdmissionEntry);
      }
      done = page.length === 0;
    }
    this.#lastSequence = last;
    this.#confirmedAt = begun;
  }

  get lastSequence(): number {
    return this.#lastSequence ?? 0;
  }

  get writes(): number {
    return this.#writes;
  }

  /** Whether nobody else has written since: a decision that writes nothing is only worth something then. */
  async isCurrent(): Promise<boolean> {
    const begun = performance.now();
    const jsm = await this.broker.jsm();
    const last = await jsm.streams.getMessage(BUCKET_STREAM, {
      last_by_subj: bucketSubject('admission', `${this.tenantId}.>`),
    });
    if ((last?.seq ?? 0) === this.#lastSequence) {
      this.#confirmedAt = begun;
      return true;
    }
    this.#lastSequence = undefined;
    return false;
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
    if (operation) {
      head.set('KV-Operation', operation);
      head.set('Nats-TTL', `${MARK_S}s`);
    }
    const begun = performance.now();
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
      this.#confirmedAt = begun;
      this.#writes += 1;
    } catch (error) {
      // Whatever happened, the next decision starts from what is stored.
      this.#lastSequence = undefined;
      if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(error.code)) throw new LedgerMoved();
      throw error;
    }
  }
}
