/**
 * Owns: who may run now. Level-triggered: every call looks at the run as the leader has it and makes the ledger agree,
 * so that repeats, reordering and second replicas are harmless.
 *
 * 1. Decisions are made in rounds, one after the other; what is asked while one is being stored is decided in the next.
 *    Across processes the ledger's fence orders them, and "there is no room" is only believed of a ledger that has read
 *    all that was stored before.
 * 2. A grant is stored before its work message is published; a grant without a message is repaired by repeating it: here,
 *    at the next start, or by the reconciler's sweep.
 * 3. A run keeps its slot through a handover, and gives it up when it parks or ends.
 */
import type { EventOf, Run } from '@runledger/run';
import type { RunAddress, RunLog } from '@runledger/run-log';
import type { Broker } from '@runledger/nest-jetstream';
import { decodeEvent } from '@runledger/wire';
import { setTimeout as pause } from 'node:timers/promises';
import { publishWork } from '../work/work-queue.ts';
import type { AdmissionEntry } from './entry.ts';
import { Ledger, LedgerMoved } from './ledger.ts';
import type { LimitBook } from './limit-book.ts';
import { Round, type Request } from './round.ts';

const MOVED_RETRIES = 50;
/** When a run is looked at again, after its message could not be published and after its grant. */
const REPEAT_MS = 2_000;
/** How often a process that has nothing to do looks whether others have left something to grant. */
const LOOK_MS = 1_000;

export type Requested = EventOf<'run.requested'>['data'];

export interface AdmissionParts {
  broker: Broker;
  runLog: RunLog;
  limits: LimitBook;
  /** Called when runs wait, or wait no longer. */
  onQueue: () => void;
  /** Called when the work of a grant could not be published yet. */
  onUnpublished: (entry: AdmissionEntry, error: unknown) => void;
}

interface Asked {
  request: Request;
  done: PromiseWithResolvers<void>;
}

export class Admission {
  readonly ledger: Ledger;
  #asked: Asked[] = [];
  #running: Promise<void> | undefined;
  #again = false;
  #told = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly parts: AdmissionParts) {
    this.ledger = new Ledger(parts.broker, parts.limits);
  }

  /** Looks from now on what others have left to do, too. */
  open(): void {
    this.#timer ??= setInterval(() => void this.look().catch(() => undefined), LOOK_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** A round for what others have stored. */
  async look(): Promise<void> {
    await this.parts.limits.refresh(this.ledger.queue.heads());
    this.#again = true;
    await this.#run();
  }

  /** Makes the ledger agree with the run, grants what became possible and queues the work. */
  async settle(address: RunAddress): Promise<void> {
    const { run, lines } = await this.parts.runLog.load(address);
    if (run.status === 'none') return this.release(address);
    const line = lines?.[0]?.line;
    const first = line === undefined ? undefined : requestedIn(line);
    if (run.status === 'queued') return this.admit(run, first);
    if (run.status === 'waiting' && run.waiting_on === 'handover') return this.#redispatch(address);
    if (run.status === 'running' || run.status === 'stopping')
      return this.#ask({ type: 'keep', entry: await this.#entryOf(run, run.dispatch, first) });
    await this.release(address);
  }

  /** The run holds its slot no longer, and waits for none. */
  release({ run_id }: RunAddress): Promise<void> {
    return this.#ask({ type: 'release', run_id });
  }

  /** Publishes the work of every grant again: after a crash a grant may have been stored without its message. */
  async repeatGrants(): Promise<void> {
    await this.look();
    for (const { tenant_id, run_id } of [...this.ledger.slots.values()])
      await this.settle({ tenant_id, run_id });
  }

  /** A run that waits for a slot, as it was last seen: a later end of it is found after the grant. */
  async admit(run: Run, requested?: Requested): Promise<void> {
    const entry = await this.#entryOf(run, Math.max(1, run.dispatch), requested);
    await this.#ask({ type: 'want', entry });
  }

  async #redispatch(address: RunAddress): Promise<void> {
    const done = await this.parts.runLog.execute(address, () => ({ type: 'UnparkRun', reason: 'handover' }));
    if (done.refusal || done.run.status !== 'queued') return;
    await this.#ask({ type: 'take', entry: await this.#entryOf(done.run, done.run.dispatch) });
  }

  async #entryOf(run: Run, dispatch: number, requested?: Requested): Promise<AdmissionEntry> {
    const { run_id, tenant_id, user_id, agent_id, root_run_id, priority } = run;
    const since = Date.parse(run.requested_at);
    const entry = { tenant_id, run_id, user_id, agent_id, root_run_id, priority, since, dispatch };
    if (root_run_id !== run_id) return entry;
    const { labels, agent } = requested ?? (await this.#requestOf({ tenant_id, run_id }));
    return { ...entry, ...(await this.parts.limits.keysOf(tenant_id, agent_id, labels, agent)) };
  }

  async #requestOf(address: RunAddress): Promise<Pick<Requested, 'labels' | 'agent'>> {
    const { lines } = await this.parts.runLog.page(address, 0, 1);
    return (lines[0] && requestedIn(lines[0].line)) ?? { labels: {} };
  }

  #ask(request: Request): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#asked.push({ request, done });
    void this.#run().catch(() => undefined);
    return done.promise;
  }

  #run(): Promise<void> {
    this.#running ??= this.#rounds().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #rounds(): Promise<void> {
    // What is asked in the same turn of the event loop belongs to one round.
    await Promise.resolve();
    while (this.#asked.length > 0 || this.#again) {
      const look = this.#again;
      this.#again = false;
      const asked = this.#asked.splice(0);
      try {
        if (look) await this.ledger.catchUp();
        const published = await this.#decide(asked.map(({ request }) => request));
        for (const { request, done } of asked) settleWith(done, published, request);
        this.#tellOfQueue();
        await this.#readLimits();
      } catch (error) {
        for (const { done } of asked) done.reject(error);
        if (asked.length === 0) throw error;
      }
    }
  }

  /** Runs that others queued were passed over where their limits are not known here. What cannot be read, `look` reads. */
  async #readLimits(): Promise<void> {
    const { unread } = this.ledger.usage;
    if (unread.size === 0) return;
    const entries = [...unread.values()];
    unread.clear();
    await this.parts.limits.refresh(entries).then(
      () => (this.#again = true),
      () => undefined,
    );
  }

  /** One round, again from the start when another process was first. Gives the publishing of what it granted, by run. */
  async #decide(requests: readonly Request[]): Promise<Map<string, Promise<void>>> {
    const { ledger } = this;
    if (ledger.sequence === 0) await ledger.catchUp();
    let confirmed = false;
    for (let attempt = 0; ; attempt++) {
      const round = new Round(ledger, requests);
      try {
        if (round.unknown && !confirmed) {
          confirmed = true;
          round.undo();
          await ledger.confirmSlots();
          continue;
        }
        if (round.changesSlots) await ledger.commit(round.granted, round.released);
      } catch (error) {
        round.undo();
        if (!(error instanceof LedgerMoved) || attempt >= MOVED_RETRIES) throw error;
        await pause(Math.random() * Math.min(20, 2 * attempt));
        await ledger.catchUp();
        continue;
      }
      return this.#store(round);
    }
  }

  /** Also after an error the grants of the round are stored, so their work is published. */
  async #store(round: Round): Promise<Map<string, Promise<void>>> {
    const { ledger } = this;
    const published = new Map(round.published.map((entry) => [entry.run_id, this.#publish(entry)] as const));
    for (const { tenant_id, run_id } of round.granted) this.#lookAgain({ tenant_id, run_id });
    if (round.waiting.length > 0) await this.#keepWaiting(round.waiting);
    if (round.unqueued.length > 0) await ledger.dequeue(round.unqueued);
    if (this.#roomForMore()) this.#again = true;
    return published;
  }

  /** Also of what others have changed. */
  #tellOfQueue(): void {
    const { changes } = this.ledger.queue;
    if (changes === this.#told) return;
    this.#told = changes;
    this.parts.onQueue();
  }

  /** A run waits only once that is stored: who asks again after an error is not told that it waits already. */
  async #keepWaiting(entries: readonly AdmissionEntry[]): Promise<void> {
    try {
      await this.ledger.enqueue(entries);
    } catch (error) {
      for (const { run_id } of entries) this.ledger.queue.remove(run_id);
      throw error;
    }
  }

  /** What others stored while this round was being stored may be granted now. */
  #roomForMore(): boolean {
    const { queue, usage } = this.ledger;
    const next = queue.take(usage);
    next?.undo();
    return next !== undefined;
  }

  async #publish(entry: AdmissionEntry): Promise<void> {
    const { tenant_id, run_id, dispatch } = entry;
    try {
      await publishWork(this.parts.broker, tenant_id, run_id, dispatch);
    } catch (error) {
      this.parts.onUnpublished(entry, error);
      setTimeout(() => void this.settle({ tenant_id, run_id }).catch(() => undefined), REPEAT_MS).unref();
    }
  }

  /**
   * A run that ended while it was being admitted would keep its slot: its end may have been handled before the grant.
   * That is rare and does not hurry, so it is looked at later, and only while the slot is still taken. A crash before
   * then is covered by the next start, which looks at every grant.
   */
  #lookAgain(address: RunAddress): void {
    const look = async (): Promise<void> => {
      if (!this.ledger.slots.has(address.run_id)) return;
      const { run } = await this.parts.runLog.load(address);
      if (run.ended_at !== null) await this.release(address);
    };
    setTimeout(() => void look().catch(() => this.#lookAgain(address)), REPEAT_MS).unref();
  }
}

/** A request is done when its run's work is on the queue; a release waits for the work of all that it made room for. */
function settleWith(
  done: PromiseWithResolvers<void>,
  published: Map<string, Promise<void>>,
  request: Request,
): void {
  const waitFor =
    request.type === 'release' ? Promise.all(published.values()) : published.get(request.entry.run_id);
  Promise.resolve(waitFor).then(() => done.resolve(), done.reject);
}

function requestedIn(line: string): Requested | undefined {
  const event = decodeEvent(line);
  return event.type === 'run.requested' ? (event.data as Requested) : undefined;
}
