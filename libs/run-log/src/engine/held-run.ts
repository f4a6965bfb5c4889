/**
 * Owns: the one writer of a held run. Commands queue; one append is in flight; what arrives meanwhile shares the next
 * commit.
 *
 * 1. A command is decided against everything that is known to be stored plus what its own commit holds before it.
 * 2. A refused append is not fired: what landed is folded, and the same commands are decided again.
 * 3. The writer lets go only when the run has ended or the latest `run.started` is not its own.
 * 4. After 8 commits back to back it leaves a gap of 20 ms, or longer where appends are slow, so that other writers are
 *    not starved.
 * 5. Every foreign event reaches the listeners once, in order.
 * 6. `confirm` answers from a time at which the log's leader was asked, never from when its answer arrived.
 */
import {
  evolve,
  holds,
  isEnded,
  type Command,
  type DraftEvent,
  type HeldBy,
  type Refusal,
  type Run,
  type RunEvent,
} from '@runledger/run';
import { buildCommit, decodeEvent, encodeCommit, type Commit } from '@runledger/wire';
import { randomUUID } from 'node:crypto';
import { HoldLost, LogUnavailable } from '../faults.ts';
import type { HeldRun, LoadedRun, RunAddress } from '../port.ts';
import { Batching, type Batch, type Queued } from './batching.ts';
import type { CommitStore, LiveCommit, StoredCommit, Watch } from './commit-store.ts';
import { land, type Landed } from './land.ts';
import { positionOf } from './load.ts';
import { backoff, pause } from './pacing.ts';
import type { Timing } from './timing.ts';

const BACK_TO_BACK = 8;
const GAP_MS = 20;
/** Where the log is slow a gap is as long as others need to look and append: so many times an own append. */
const GAP_APPENDS = 4;
const LONGEST_GAP_MS = 500;
const RECHECK_MS = 15_000;
/** A run that is over sooner never needs to hear what others append: the fence tells it. */
const FIRST_LOOK_MS = 50;
const REMEMBERED_COMMITS = 64;
interface Confirming {
  resolve: () => void;
  reject: (error: Error) => void;
}

export interface HeldRunOptions {
  store: CommitStore;
  address: RunAddress;
  loaded: LoadedRun;
  heldBy: HeldBy;
  writer: string;
  maxCommits: number;
  timing: Timing;
  onReleased: () => void;
}

export class HeldRunWriter implements HeldRun {
  readonly address: RunAddress;
  #at: LoadedRun;
  #queue: Queued[] = [];
  #confirming: Confirming[] = [];
  #pumping: Promise<void> | undefined;
  #behind = false;
  #lost = new AbortController();
  #released = new AbortController();
  #listeners: ((event: RunEvent, run: Run) => void)[] = [];
  #mine = new Set<string>();
  #backToBack = 0;
  #landedAt = 0;
  /** How long the latest own append took. */
  #appendMs = 0;
  #watch: Watch | undefined;
  readonly #timing: Timing;
  readonly #batching: Batching;
  readonly #endRechecks: () => void;
  readonly #cancelFirstLook: () => void;

  constructor(private readonly options: HeldRunOptions) {
    this.address = options.address;
    this.#at = options.loaded;
    this.#batching = new Batching(options);
    this.#timing = options.timing;
    this.#cancelFirstLook = this.#timing.after(FIRST_LOOK_MS, () => this.#listen());
    this.#endRechecks = this.#timing.every(RECHECK_MS, () => this.#fallBehind());
  }

  /** What landed between the load and the subscription is read once the subscription stands. */
  #listen(): void {
    if (isEnded(this.#at.run)) return;
    this.#watch = this.options.store.watch(
      this.address,
      (commit) => this.#onLive(commit),
      () => this.#fallBehind(),
      (commitId) => this.#mine.has(commitId),
    );
    void this.#watch.ready.catch(() => undefined).then(() => this.#fallBehind());
  }

  get run(): Run {
    return this.#at.run;
  }

  get commits(): { used: number; most: number } {
    return { used: this.#at.commits, most: this.options.maxCommits };
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  onForeign(listener: (event: RunEvent, run: Run) => void): void {
    this.#listeners.push(listener);
  }

  record(events: DraftEvent[]): Promise<Refusal | undefined> {
    return this.submit({ type: 'RecordProgress', held_by: this.options.heldBy, events });
  }

  submit(command: Command): Promise<Refusal | undefined> {
    const gone = this.#gone();
    if (gone) return Promise.reject(gone);
    return new Promise((resolve, reject) => {
      this.#queue.push({ command, resolve, reject });
      this.#pump();
    });
  }

  async confirm(withinMs: number): Promise<void> {
    for (;;) {
      const gone = this.#gone();
      if (gone) throw gone;
      if (isEnded(this.#at.run)) throw endedHold(this.address);
      if (this.#timing.now() - this.#at.as_of <= withinMs) return;
      await new Promise<void>((resolve, reject) => {
        this.#confirming.push({ resolve, reject });
        this.#fallBehind();
      });
    }
  }

  #gone(): HoldLost | undefined {
    if (this.#lost.signal.aborted) return this.#lost.signal.reason as HoldLost;
    return this.#released.signal.aborted ? (this.#released.signal.reason as HoldLost) : undefined;
  }

  async release(): Promise<void> {
    while (this.#pumping && !this.#lost.signal.aborted) await this.#pumping;
    await this.abandon();
  }

  /** Stops at once, without waiting for what is queued. */
  async abandon(): Promise<void> {
    if (this.#released.signal.aborted) return;
    const released = new HoldLost('released', 'the hold was released');
    this.#released.abort(released);
    this.#fail(released);
    this.#endRechecks();
    this.#cancelFirstLook();
    this.#watch?.close();
    this.options.onReleased();
  }

  #pump(): void {
    this.#pumping ??= this.#run().finally(() => {
      this.#pumping = undefined;
      if (this.#wanted()) this.#pump();
    });
  }

  #wanted(): boolean {
    if (this.#lost.signal.aborted || this.#released.signal.aborted) return false;
    return this.#queue.length > 0 || (this.#behind && !isEnded(this.#at.run));
  }

  async #run(): Promise<void> {
    // Everything submitted in this turn of the event loop shares the commit.
    await Promise.resolve();
    while (this.#wanted()) {
      try {
        if (this.#behind && this.#queue.length === 0) await this.#catchUp();
        else await this.#commitNext();
      } catch (error) {
        // What cannot be read cannot be written after either: the hold ends, and the queue with it.
        if (!(error instanceof LogUnavailable)) return this.#loseHold(brokenHold(error));
        await backoff(this.#timing, { attempt: 3, firstMs: 50, mostMs: 1_000 }, this.#released.signal);
      }
    }
  }

  async #commitNext(): Promise<void> {
    const batch = this.#batching.take(this.#queue, this.#at);
    if (batch.events.length === 0) return this.#answerWithoutEvents();
    await this.#leaveGap();
    const commit = this.#build(batch);
    this.#rememberMine(commit.commit_id);
    const sentAt = this.#timing.now();
    let landed: Landed;
    try {
      landed = await this.#land(commit);
    } catch (error) {
      this.#queue.unshift(...batch.taken);
      throw error;
    }
    this.#landedAt = this.#timing.now();
    this.#appendMs = this.#landedAt - sentAt;
    if (landed.landed) {
      const position = positionOf({ ...commit, stream_seq: landed.stream_seq });
      this.#at = { run: batch.run, ...position, as_of: sentAt };
      for (const queued of batch.taken) queued.resolve(undefined);
      this.#confirmed();
    } else {
      this.#queue.unshift(...batch.taken);
      await this.#catchUp();
    }
  }

  #land(commit: Commit): Promise<Landed> {
    return land(this.options.store, {
      address: this.address,
      encoded: encodeCommit(commit),
      commit_id: commit.commit_id,
      expectation: this.#at.stream_seq,
      patienceMs: Infinity,
      signal: this.#released.signal,
      timing: this.#timing,
    });
  }

  /** "No" and "already so" are only answered from state read up to the leader's last message. */
  async #answerWithoutEvents(): Promise<void> {
    await this.#catchUp();
    const next = this.#queue[0];
    if (!next || this.#lost.signal.aborted) return;
    const decision = this.#batching.decide(next.command, this.#at.run, this.#at.commits);
    if (!decision.refusal && decision.events.length > 0) return;
    this.#queue.shift();
    next.resolve(decision.refusal);
  }

  #build(batch: Batch): Commit {
    return buildCommit(batch.events, {
      commit_id: randomUUID(),
      writer: this.options.writer,
      previous_digest: this.#at.digest,
      checkpoint: this.#at.checkpoint,
      number: this.#at.commits + 1,
      parent: this.#at.run.parent?.run_id,
      lines: batch.lines,
    });
  }

  /** A live copy of an own commit comes soon after its acknowledgement, or not at all. */
  #rememberMine(commitId: string): void {
    this.#mine.add(commitId);
    if (this.#mine.size > REMEMBERED_COMMITS) this.#mine.delete(this.#mine.values().next().value as string);
  }

  async #leaveGap(): Promise<void> {
    const idle = this.#timing.now() - this.#landedAt;
    this.#backToBack = idle < 2 ? this.#backToBack + 1 : 0;
    if (this.#backToBack < BACK_TO_BACK) return;
    this.#backToBack = 0;
    const gap = Math.max(GAP_MS, GAP_APPENDS * this.#appendMs);
    await pause(this.#timing, Math.min(gap, LONGEST_GAP_MS), this.#released.signal);
  }

  async #catchUp(): Promise<void> {
    this.#behind = false;
    try {
      for (;;) {
        const askedAt = this.#timing.now();
        const commit = await this.options.store.next(this.address, this.#at.stream_seq);
        if (commit) this.#absorb(commit);
        else {
          this.#at = { ...this.#at, as_of: askedAt };
          return this.#confirmed();
        }
      }
    } catch (error) {
      this.#behind = true;
      throw error;
    }
  }

  #onLive(commit: LiveCommit): void {
    if (commit.stream_seq <= this.#at.stream_seq || this.#mine.has(commit.commit_id)) return;
    if (!this.#pumping && commit.previous === this.#at.stream_seq) this.#absorb(commit);
    else this.#fallBehind();
  }

  #fallBehind(): void {
    this.#behind = true;
    this.#pump();
  }

  #absorb(commit: StoredCommit): void {
    let run = this.#at.run;
    const events = commit.lines.map(decodeEvent) as RunEvent[];
    for (const event of events) {
      run = evolve(run, event);
      this.#at = { ...this.#at, run };
      for (const listener of this.#listeners) listener(event, run);
    }
    this.#at = { run, ...positionOf(commit), as_of: this.#at.as_of };
    if (isEnded(run)) this.#loseHold(endedHold(this.address));
    else if (!holds(run, this.options.heldBy) && run.holder)
      this.#loseHold(
        new HoldLost('taken_over', `run ${this.address.run_id} is held by ${run.holder.executor}`),
      );
  }

  #loseHold(reason: HoldLost): void {
    if (this.#lost.signal.aborted) return;
    this.#lost.abort(reason);
    this.#fail(reason);
  }

  #fail(error: Error): void {
    for (const waiting of [...this.#queue.splice(0), ...this.#confirming.splice(0)]) waiting.reject(error);
  }

  #confirmed(): void {
    for (const waiting of this.#confirming.splice(0)) waiting.resolve();
  }
}

function endedHold(address: RunAddress): HoldLost {
  return new HoldLost('ended', `run ${address.run_id} has ended`);
}

function brokenHold(error: unknown): HoldLost {
  return new HoldLost(
    'released',
    `the run can not be read on: ${error instanceof Error ? error.message : String(error)}`,
  );
}
