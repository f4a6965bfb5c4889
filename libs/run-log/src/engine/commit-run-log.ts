/**
 * Owns: deciding and appending for everybody who is not a run's holder, and reading. What differs between JetStream
 * and memory is below, in the CommitStore.
 *
 * 1. "No", "already so" and "no such run" are only answered from state read up to the leader's last message.
 * 2. Following subscribes first, then replays up to the leader's last event, then goes live; holes are refilled.
 * 3. An erased run can not be created again. A start whose id was just made is not looked up: only a run that has ended
 *    can be erased, and nobody can end a run before its first append. What repeats a start (a completion from its
 *    record) or makes a run whose id is older than the call (a child) is rare enough to ask.
 * 4. Events that are missing at the beginning are those of a run that is being erased: it is never served in part.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  decide,
  emptyRun,
  evolve,
  isEndType,
  number,
  type Command,
  type Run,
  type RunEvent,
} from '@runledger/run';
import { buildCommit, decodeEvent, encodeCommit } from '@runledger/wire';
import { LogUnavailable, RunErased } from '../faults.ts';
import type {
  Executed,
  FollowOptions,
  HeldRun,
  LoadedRun,
  PreparedStart,
  RunAddress,
  RunLog,
  StoredBytes,
  StoredLine,
  StoredLines,
  StoredRun,
} from '../port.ts';
import type { CommitStore, StoredCommit } from './commit-store.ts';
import { Feed, linesOf, type Observer } from './feed.ts';
import { HeldRunWriter } from './held-run.ts';
import { land, type Landed } from './land.ts';
import { loadRun, positionOf, readOn } from './load.ts';
import { backoff } from './pacing.ts';
import { systemTiming, type Timing } from './timing.ts';
import { keyOf } from './key-of.ts';
import { LogReader } from './log-reader.ts';
import { tailOf } from './read.ts';

/** A command beside a busy holder is tried for so long, and so often: on a slow log 2 s are but a few tries. */
const CONTENTION_MS = 2_000;
const CONTENTION_TRIES = 25;
const PREVIEW_CHARACTERS = 200;

export interface RunLogOptions {
  /** `service/instance`, stored as `Run-Writer`. */
  writer: string;
  /** The broker's cap of commits per run. */
  maxCommits?: number;
  /** Milliseconds after which a caller of `execute` or `completeStart` is told that the log is unavailable. */
  patienceMs?: number;
  /** The system's where it is not given. */
  timing?: Timing;
  /** Decides commands of those who do not hold the run; the domain's where it is not given. */
  decide?: typeof decide;
}

export class CommitRunLog implements RunLog {
  #feeds = new Map<string, Feed>();
  #held = new Set<HeldRunWriter>();
  readonly #reader: LogReader;
  readonly #patienceMs: number;
  readonly #timing: Timing;
  readonly #decide: typeof decide;

  constructor(
    private readonly store: CommitStore,
    private readonly options: RunLogOptions,
  ) {
    this.#reader = new LogReader(store, (address, seq) => this.#missing(address, seq));
    this.#patienceMs = options.patienceMs ?? 10_000;
    this.#timing = options.timing ?? systemTiming;
    this.#decide = options.decide ?? decide;
  }

  load(address: RunAddress): Promise<LoadedRun> {
    return loadRun(this.store, address, this.#timing);
  }

  async execute(address: RunAddress, command: (run: Run) => Command, known?: LoadedRun): Promise<Executed> {
    const startedAt = this.#timing.now();
    let before: LoadedRun | undefined;
    for (let attempt = 0; ; attempt++) {
      const trusted = attempt > 0 || !known;
      const loaded = trusted ? await this.#loadAfter(address, before) : known;
      const decision = this.#decide(command(loaded.run), loaded.run);
      if (decision.refusal || decision.events.length === 0) {
        if (!trusted) continue;
        return decision.refusal ? { refusal: decision.refusal, run: loaded.run } : { events: [], ...loaded };
      }
      const events = number(loaded.run, decision.events, this.#timing.timestamp());
      const appended = await this.#append(address, loaded, events);
      if (appended) return { events, ...appended };
      before = trusted ? loaded : undefined;
      const tookMs = Math.round(this.#timing.now() - startedAt);
      const triedEnough = tookMs >= CONTENTION_MS && attempt + 1 >= CONTENTION_TRIES;
      if (triedEnough || tookMs >= this.#patienceMs)
        throw new LogUnavailable(
          'too_much_contention',
          `run ${address.run_id} changed ${attempt + 1} times in ${tookMs} ms`,
        );
      await backoff(this.#timing, { attempt, firstMs: 8, mostMs: 60 });
    }
  }

  /** Beside a busy holder a run is only read on, so that its length does not decide whether a command gets in. */
  #loadAfter(address: RunAddress, before: LoadedRun | undefined): Promise<LoadedRun> {
    if (!before || before.stream_seq === 0) return loadRun(this.store, address, this.#timing);
    return readOn(this.store, address, { from: before, timing: this.#timing });
  }

  async #append(address: RunAddress, loaded: LoadedRun, events: RunEvent[]): Promise<LoadedRun | undefined> {
    const run = events.reduce(evolve, loaded.run);
    if (loaded.stream_seq === 0) await this.#refuseErased(address);
    const commit = buildCommit(events, {
      commit_id: randomUUID(),
      writer: this.options.writer,
      previous_digest: loaded.digest,
      checkpoint: loaded.checkpoint,
      number: loaded.commits + 1,
      parent: run.parent?.run_id,
    });
    const as_of = this.#timing.now();
    const landed = await this.#land(address, encodeCommit(commit), commit.commit_id, loaded.stream_seq);
    if (!landed.landed) return undefined;
    return {
      run,
      ...positionOf({ ...commit, stream_seq: landed.stream_seq }),
      as_of,
      ...(loaded.lines ? { lines: [...loaded.lines, ...linesOf(commit)] } : {}),
    };
  }

  #land(
    address: RunAddress,
    encoded: PreparedStart | ReturnType<typeof encodeCommit>,
    commit_id: string,
    expectation: number,
  ): Promise<Landed> {
    const patienceMs = this.#patienceMs;
    return land(this.store, {
      address,
      encoded,
      commit_id,
      expectation,
      patienceMs,
      timing: this.#timing,
    });
  }

  prepareStart(command: Extract<Command, { type: 'StartRun' }>, address: RunAddress): PreparedStart {
    const decision = decide(command, emptyRun(address.run_id));
    if (decision.refusal) throw new RangeError(`a start can not be refused: ${decision.refusal.detail}`);
    const events = number(emptyRun(address.run_id), decision.events, this.#timing.timestamp());
    const commit = buildCommit(events, {
      commit_id: randomUUID(),
      writer: this.options.writer,
      previous_digest: '',
      checkpoint: 0,
      number: 1,
      parent: command.request.parent?.run_id,
    });
    return { ...address, commit_id: commit.commit_id, ...encodeCommit(commit) };
  }

  async completeStart(
    start: PreparedStart,
    { fresh = false }: { fresh?: boolean } = {},
  ): Promise<{ run: Run; digest: string }> {
    const address = { tenant_id: start.tenant_id, run_id: start.run_id };
    if (!fresh) await this.#refuseErased(address);
    await this.#land(address, start, start.commit_id, 0);
    const lines = start.payload.trimEnd().split('\n');
    const run = lines.map(decodeEvent).reduce(evolve, emptyRun(start.run_id));
    return { run, digest: start.headers['Run-Digest'] ?? '' };
  }

  async hold(address: RunAddress, loaded: LoadedRun): Promise<HeldRun> {
    const holder = loaded.run.holder;
    if (!holder) throw new RangeError(`run ${address.run_id} has no holder`);
    const held: HeldRunWriter = new HeldRunWriter({
      store: this.store,
      address,
      loaded,
      heldBy: { executor: holder.executor, attempt: holder.attempt },
      writer: this.options.writer,
      maxCommits: this.options.maxCommits ?? 100_000,
      timing: this.#timing,
      onReleased: () => this.#held.delete(held),
    });
    this.#held.add(held);
    return held;
  }

  page(address: RunAddress, after: number, limit: number): Promise<StoredRun & { lines: StoredLine[] }> {
    return this.#reader.page(address, after, limit);
  }

  async isErased(address: RunAddress): Promise<boolean> {
    const giveUpAt = this.#timing.now() + this.#patienceMs;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.store.isErased(address);
      } catch (error) {
        if (!(error instanceof LogUnavailable) || this.#timing.now() >= giveUpAt) throw error;
        await backoff(this.#timing, { attempt, firstMs: 20, mostMs: 1_000 });
      }
    }
  }

  async #refuseErased(address: RunAddress): Promise<void> {
    if (await this.isErased(address)) throw new RunErased(address.run_id);
  }

  /** Why the run's event `seq` is not there though a later one is. */
  async #missing(address: RunAddress, seq: number): Promise<Error> {
    if (await this.isErased(address)) return new RunErased(address.run_id);
    return new LogUnavailable('log_unavailable', `event ${seq} of run ${address.run_id} cannot be read`);
  }

  replay(address: RunAddress, after: number): Promise<StoredRun & { batches: AsyncIterable<StoredLine[]> }> {
    return this.#reader.replay(address, after);
  }

  commits(address: RunAddress, after = 0): Promise<StoredRun & { commits: AsyncIterable<StoredLines> }> {
    return this.#reader.commits(address, after);
  }

  bytes(
    address: RunAddress,
    after: number,
    { isShort = false }: { isShort?: boolean } = {},
  ): Promise<StoredRun & { chunks: AsyncIterable<StoredBytes> }> {
    return this.#reader.bytes(address, after, isShort);
  }

  async *follow(address: RunAddress, options: FollowOptions): AsyncIterable<StoredLine[]> {
    const feed = this.#feed(address);
    const observer = feed.join();
    try {
      await feed.ready;
      yield* this.#replayThenLive(address, observer, options);
    } finally {
      feed.leave(observer);
    }
  }

  async *#replayThenLive(
    address: RunAddress,
    observer: Observer,
    options: FollowOptions,
  ): AsyncIterable<StoredLine[]> {
    let after = options.after;
    const tail = { ended: false };
    let batches: StoredLine[][] | 'stale' | undefined = 'stale';
    while (batches && !tail.ended && !options.signal?.aborted) {
      const source: AsyncIterable<StoredLine[]> | StoredLine[][] =
        batches === 'stale' ? this.#replay(address, after, tail) : batches;
      for await (const lines of source) {
        const first = lines[0]?.seq ?? 0;
        if (first > after + 1) {
          observer.invalidate();
          break;
        }
        const fresh = first === after + 1 ? lines : lines.slice(after + 1 - first);
        const newest = fresh.at(-1);
        if (!newest) continue;
        after = newest.seq;
        yield fresh;
        if (isEndType(newest.type)) return;
        if (options.signal?.aborted) return;
      }
      if (!tail.ended) batches = await observer.take(options.signal);
    }
  }

  async *#replay(address: RunAddress, after: number, tail: { ended: boolean }): AsyncIterable<StoredLine[]> {
    for (let attempt = 0; ; attempt++) {
      try {
        const { last, ended } = await tailOf(this.store, address);
        if (last) yield* this.#reader.lines(address, { after, last });
        else if (after > 0) await this.#refuseErased(address);
        tail.ended = ended;
        return;
      } catch (error) {
        // What was yielded before the fault is behind the caller's cursor: a repeat is cut off there.
        if (!(error instanceof LogUnavailable) || attempt >= 10) throw error;
        await backoff(this.#timing, { attempt, firstMs: 50, mostMs: 2_000 });
      }
    }
  }

  #feed(address: RunAddress): Feed {
    const key = keyOf(address);
    const existing = this.#feeds.get(key);
    if (existing) return existing;
    const feed: Feed = new Feed(this.store, this.#timing, address, () => {
      if (this.#feeds.get(key) === feed) this.#feeds.delete(key);
    });
    this.#feeds.set(key, feed);
    return feed;
  }

  async *scan(): AsyncIterable<{
    address: RunAddress;
    stream_seq: number;
    lines: StoredLine[];
    digest: string;
    first: number;
    last: number;
  }> {
    for await (const { address, commit } of this.store.scan()) yield { address, ...scanned(commit) };
  }

  async putBlob(
    address: RunAddress,
    text: string,
  ): Promise<{ blob: string; bytes: number; preview: string }> {
    const blob = createHash('sha256').update(text).digest('hex');
    await this.store.putBlob(`${keyOf(address)}.${blob}`, text);
    return { blob, bytes: Buffer.byteLength(text), preview: text.slice(0, PREVIEW_CHARACTERS) };
  }

  getBlob(address: RunAddress, sha256: string): Promise<string | undefined> {
    return this.store.getBlob(`${keyOf(address)}.${sha256}`);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#held].map((held) => held.abandon()));
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
    await this.store.close();
  }
}

function scanned(commit: StoredCommit): {
  stream_seq: number;
  lines: StoredLine[];
  digest: string;
  first: number;
  last: number;
} {
  const { stream_seq, digest, first, last } = commit;
  return { stream_seq, lines: linesOf(commit), digest, first, last };
}
