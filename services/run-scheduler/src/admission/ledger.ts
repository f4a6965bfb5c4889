/**
 * Owns bucket `admission`: who waits and who has a slot in the whole cell, as this process knows it.
 *
 * 1. Who has a slot changes by one message on one literal subject, and each expects the one before it: what was decided
 *    from an old state is refused. A message holds any number of grants and releases.
 * 2. Every slot is stated again from RESTATE_AFTER messages on, so the messages that the broker keeps state them all.
 * 3. Runs that wait are keys of their own and need no fence: a run that waits twice, or waits after it has got its slot,
 *    waits once or not at all. Such a key is only taken away as it was when its run was granted.
 * 4. All of it is one stream: a process reads on from what it has read, never everything again.
 */
import { JetStreamApiError } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import type { Broker } from '@runledger/nest-jetstream';
import { directPage, leaderMessage, type DirectMessage } from '@runledger/run-log';
import {
  admissionKey,
  bucketSubject,
  MOST_RESTATED,
  RESTATE_AFTER,
  SLOTS_KEY,
  type SlotsCommit,
} from '@runledger/wire';
import { setTimeout as pause } from 'node:timers/promises';
import type { AdmissionEntry } from './entry.ts';
import { FairQueue } from './fair-queue.ts';
import { Usage, type Limits } from './usage.ts';

const STREAM = 'KV_admission';
const ALL = bucketSubject('admission', '>');
const SLOTS = bucketSubject('admission', SLOTS_KEY);
const TIMEOUT_MS = 5_000;
/** Seconds for which the mark of a run that waits no longer stays. */
const MARK_S = 60;
/** A ledger that has not read for longer may have missed a mark, and is read from the start. */
const TOO_OLD_MS = (MARK_S / 2) * 1_000;
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);
/** How often a replica that is behind is asked again. */
const BEHIND_TRIES = 40;

/** Another writer was first: the decision is to be made anew. */
export class LedgerMoved extends Error {}

class Gap extends Error {}

export class Ledger {
  readonly slots = new Map<string, AdmissionEntry>();
  readonly queue = new FairQueue();
  readonly usage: Usage;
  /** Number of the slots message in which a run was last stated, the longest ago first. */
  readonly #stated = new Map<string, number>();
  /** Stream sequence of the key of a run that waits. */
  readonly #keptAt = new Map<string, number>();
  #number = 0;
  /** Stream sequence of the last slots message: the fence. */
  #fence = 0;
  /** Everything up to here is known. */
  #seen = 0;
  #readAt = -Infinity;

  constructor(
    private readonly broker: Broker,
    limits: Limits,
  ) {
    this.usage = new Usage(limits);
  }

  get sequence(): number {
    return this.#seen;
  }

  /** Reads on, at least up to `atLeast`, also where the replica that answers is behind. */
  async catchUp(atLeast = 0): Promise<void> {
    const begun = performance.now();
    if (begun - this.#readAt > TOO_OLD_MS) this.#forget();
    for (let tries = 0; ; tries++) {
      try {
        await this.#readOn();
        if (this.#seen >= atLeast || tries >= BEHIND_TRIES) break;
        await pause(25);
      } catch (error) {
        if (!(error instanceof Gap) || tries >= BEHIND_TRIES) throw error;
        this.#forget();
      }
    }
    this.#readAt = begun;
  }

  /** Makes sure that every slot is known that was there when this was called, as the leader has it. */
  async confirmSlots(): Promise<void> {
    const jsm = await this.broker.jsm();
    const last = await leaderMessage(this.broker.nc, jsm, STREAM, { last_by_subj: SLOTS });
    if (last !== null && last.seq > this.#fence) await this.catchUp(last.seq);
  }

  /** Changes who has a slot. Throws LedgerMoved; the state is then what it was, and to be caught up. */
  async commit(granted: readonly AdmissionEntry[], released: readonly string[]): Promise<void> {
    const number = this.#number + 1;
    const changed = new Set([...released, ...granted.map(({ run_id }) => run_id)]);
    const message: SlotsCommit<AdmissionEntry> = {
      number,
      granted: [...this.#toRestate(number, changed), ...granted],
      released: [...released],
    };
    const sequence = await this.#publish(message);
    this.#apply(message, 'own');
    this.#fence = sequence;
    await this.#wrote(sequence);
  }

  /** Keeps runs that wait, for every process and the next start. */
  async enqueue(entries: readonly AdmissionEntry[]): Promise<void> {
    const puts = entries.map(async (entry) => {
      const { seq } = await this.broker.js.publish(keyOf(entry), JSON.stringify(entry), {
        timeout: TIMEOUT_MS,
      });
      this.#keptAt.set(entry.run_id, seq);
      return seq;
    });
    const last = this.#extend(await Promise.all(puts));
    if (last > this.#seen) await this.catchUp(last);
  }

  /** Takes the keys of runs away that wait no longer. */
  async dequeue(entries: readonly AdmissionEntry[]): Promise<void> {
    const marks = await Promise.all(entries.map((entry) => this.#mark(entry)));
    this.#extend(marks.filter((seq) => seq !== undefined));
  }

  async #mark(entry: AdmissionEntry): Promise<number | undefined> {
    const lastSubjectSequence = this.#keptAt.get(entry.run_id);
    if (lastSubjectSequence === undefined) return undefined;
    const head = headers();
    head.set('KV-Operation', 'PURGE');
    head.set('Nats-Rollup', 'sub');
    head.set('Nats-TTL', `${MARK_S}s`);
    const options = { headers: head, timeout: TIMEOUT_MS, expect: { lastSubjectSequence } };
    try {
      const { seq } = await this.broker.js.publish(keyOf(entry), '', options);
      this.#keptAt.delete(entry.run_id);
      return seq;
    } catch (error) {
      // Its next wait is kept there already.
      if (isWrongSequence(error)) return undefined;
      throw error;
    }
  }

  #toRestate(number: number, changed: Set<string>): AdmissionEntry[] {
    const restated: AdmissionEntry[] = [];
    for (const [runId, stated] of this.#stated) {
      if (number - stated < RESTATE_AFTER || restated.length === MOST_RESTATED) break;
      const slot = changed.has(runId) ? undefined : this.slots.get(runId);
      if (slot) restated.push(slot);
    }
    return restated;
  }

  /** What this process wrote itself without anything of others in between needs no reading. Gives the last sequence. */
  #extend(written: number[]): number {
    written.sort((a, b) => a - b);
    for (const sequence of written) if (sequence === this.#seen + 1) this.#seen = sequence;
    return written.at(-1) ?? 0;
  }

  #forget(): void {
    this.slots.clear();
    this.queue.clear();
    this.usage.clear();
    this.#stated.clear();
    this.#keptAt.clear();
    this.#number = 0;
    this.#fence = 0;
    this.#seen = 0;
  }

  async #readOn(): Promise<void> {
    for (;;) {
      const query = { seq: this.#seen + 1, next_by_subj: ALL };
      const page = await directPage(this.broker.nc, STREAM, query, TIMEOUT_MS);
      for (const message of page) {
        if (message.subject === SLOTS) this.#readSlots(message);
        else this.#readWaiting(message);
        this.#seen = Math.max(this.#seen, message.seq);
      }
      if (page.length === 0) return;
    }
  }

  #readSlots(message: DirectMessage): void {
    if (message.seq <= this.#fence) return;
    const commit = JSON.parse(message.text) as SlotsCommit<AdmissionEntry>;
    if (this.#number > 0 && commit.number !== this.#number + 1) throw new Gap();
    this.#apply(commit, "another's");
    this.#fence = message.seq;
  }

  #readWaiting(message: DirectMessage): void {
    const [, , tenant_id = '', run_id = ''] = message.subject.split('.');
    if (message.headers.get('KV-Operation')) {
      this.queue.remove(run_id);
      this.#keptAt.delete(run_id);
      return;
    }
    const entry = { ...(JSON.parse(message.text) as AdmissionEntry), tenant_id };
    this.#keptAt.set(run_id, message.seq);
    const slot = this.slots.get(entry.run_id);
    if (!slot || slot.dispatch < entry.dispatch) this.queue.add(entry);
  }

  #apply(commit: SlotsCommit<AdmissionEntry>, whose: 'own' | "another's"): void {
    for (const runId of commit.released) {
      const slot = this.slots.get(runId);
      if (slot) this.usage.count(slot, -1);
      this.slots.delete(runId);
      this.#stated.delete(runId);
    }
    for (const entry of commit.granted) {
      const known = this.slots.get(entry.run_id);
      if (known) this.usage.count(known, -1);
      else if (whose !== 'own') this.queue.served(entry);
      this.usage.count(entry, 1);
      this.slots.set(entry.run_id, entry);
      this.#stated.delete(entry.run_id);
      this.#stated.set(entry.run_id, commit.number);
    }
    this.#number = commit.number;
  }

  async #publish(message: SlotsCommit<AdmissionEntry>): Promise<number> {
    try {
      const ack = await this.broker.js.publish(SLOTS, JSON.stringify(message), {
        timeout: TIMEOUT_MS,
        expect: { lastSubjectSequence: this.#fence },
      });
      return ack.seq;
    } catch (error) {
      if (isWrongSequence(error)) throw new LedgerMoved();
      throw error;
    }
  }

  /** What others wrote in between is read now, so that nothing they wait for is passed over. */
  async #wrote(sequence: number): Promise<void> {
    if (sequence === this.#seen + 1) this.#seen = sequence;
    else await this.catchUp(sequence);
  }
}

const isWrongSequence = (error: unknown): boolean =>
  error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(error.code);

const keyOf = ({ tenant_id, run_id }: AdmissionEntry): string =>
  bucketSubject('admission', admissionKey(tenant_id, run_id));
