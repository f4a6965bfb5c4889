import type { Command, DraftEvent, Refusal, Run, RunEvent } from '@runledger/run';

/** Where a run lives: the subject `runs.<tenant_id>.<run_id>`. */
export interface RunAddress {
  tenant_id: string;
  run_id: string;
}

/** One stored event: its number, its type and the exact bytes of its line (without the newline). */
export interface StoredLine {
  seq: number;
  type: string;
  line: string;
}

/** Where a run stands, as the log's leader has it. */
export interface StoredRun {
  /** The run's last event; 0: no such run. */
  last_seq: number;
  ended: boolean;
  /** After the last event. */
  digest: string;
}

/** Events `first` to `last`, all of one commit, as they are stored: each line with the newline that ends it. */
export interface StoredBytes {
  first: number;
  last: number;
  types: string[];
  /** After `last`, as the writer stored it: whether it fits is not checked. */
  digest: string;
  bytes: Uint8Array;
}

/** The lines of one commit, and the run's digest after them as it was stored with them. */
export interface StoredLines {
  lines: StoredLine[];
  digest: string;
}

/** A run as the leader has it. `stream_seq` is the expectation for the next append: 0 when the run does not exist. */
export interface LoadedRun {
  run: Run;
  digest: string;
  stream_seq: number;
  /** Stream sequence of the run's latest checkpoint commit; 0: none. */
  checkpoint: number;
  /** How many commits the run has. */
  commits: number;
  /** When the leader was asked: monotonic milliseconds of this process. */
  as_of: number;
  /** Every stored line, where loading had to read them all anyway (there was no checkpoint to start from). */
  lines?: StoredLine[];
}

export type Executed =
  /** `events` is empty when the run was already so. `run` and `digest` are after the append. */
  | ({ refusal?: undefined; events: RunEvent[] } & LoadedRun)
  | { refusal: Refusal; events?: undefined; run: Run };

/** A start that has been decided but not yet appended: plain JSON, so that it can be reserved and completed by anyone. */
export interface PreparedStart {
  tenant_id: string;
  run_id: string;
  commit_id: string;
  headers: Record<string, string>;
  /** The commit's NDJSON as UTF-8 text. */
  payload: string;
}

export interface HeldRun {
  readonly address: RunAddress;
  /** The run after everything that is known to be stored. */
  readonly run: Run;
  /** Of the run: how many there are, and how many the log takes. */
  readonly commits: { used: number; most: number };
  /**
   * Queues a command of the holder. Commands that arrive while an append is in flight share the next commit.
   * Resolves when the events are on disk (`undefined`), or with the domain's refusal. Rejects with
   * `HoldLost` when the run has ended or another executor holds it.
   */
  submit(command: Command): Promise<Refusal | undefined>;
  /** `submit` of RecordProgress. */
  record(events: DraftEvent[]): Promise<Refusal | undefined>;
  /**
   * Resolves when the run was still held by this process at most `withinMs` ago, as the log's leader had it: at once
   * where that is known, otherwise once the leader was asked. For what must not be done by a process that slept through
   * the loss of its hold. Rejects with `HoldLost`.
   */
  confirm(withinMs: number): Promise<void>;
  /** Called with every event that somebody else appended, in order, each once. */
  onForeign(listener: (event: RunEvent, run: Run) => void): void;
  /** Aborted (reason: HoldLost) as soon as this process learns that it holds the run no longer. */
  readonly lost: AbortSignal;
  /** Waits for what is queued, then stops listening. The run itself is unchanged. */
  release(): Promise<void>;
}

export interface FollowOptions {
  /** Strictly after this `seq`; 0 is from the first event. */
  after: number;
  signal?: AbortSignal;
}

/** The log of all runs. Two implementations: JetStream and memory; one contract suite. */
export interface RunLog {
  /** State up to the leader's last message; status `none` when the run does not exist. */
  load(address: RunAddress): Promise<LoadedRun>;
  /**
   * Load, decide, append; conflicts are retried with jitter for 2 s. `command` sees the loaded run, so that it can
   * refuse on its own (by throwing) before anything is decided. Throws `LogUnavailable` (Fault) when the broker
   * cannot take or confirm the append: its `code` is `outcome_unknown` when it may have landed. `known`, a state loaded
   * before, saves the first load: the fence finds out when it is old, and a refusal is checked against the leader.
   */
  execute(address: RunAddress, command: (run: Run) => Command, known?: LoadedRun): Promise<Executed>;
  /** Decides a StartRun and encodes its commit, without appending it. */
  prepareStart(command: Extract<Command, { type: 'StartRun' }>, address: RunAddress): PreparedStart;
  /**
   * Appends a prepared start at expectation 0. Safe to repeat: resolves alike for the one that landed before. `fresh`:
   * the caller has just made the run id and nobody else knows it, so there can be no tombstone to look for.
   * Throws RunErased.
   */
  completeStart(start: PreparedStart, options?: { fresh?: boolean }): Promise<{ run: Run; digest: string }>;
  /** Becomes the writer of a run whose latest `run.started` is this executor's. */
  hold(address: RunAddress, loaded: LoadedRun): Promise<HeldRun>;
  /** Stored lines after `after`, at most `limit`, oldest first. */
  page(address: RunAddress, after: number, limit: number): Promise<StoredRun & { lines: StoredLine[] }>;
  /** Everything stored after `after`, as of the call: one look at the leader, then the stored commits in order. */
  replay(address: RunAddress, after: number): Promise<StoredRun & { batches: AsyncIterable<StoredLine[]> }>;
  /**
   * The same as whole commits, the first of which may begin before the cursor, with the digests that the writers stored:
   * whether they fit is not checked.
   */
  commits(address: RunAddress, after?: number): Promise<StoredRun & { commits: AsyncIterable<StoredLines> }>;
  /**
   * The same as the bytes that are stored, for who only passes them on. `isShort`: the reader will not go far, so that
   * little is to be read ahead.
   */
  bytes(
    address: RunAddress,
    after: number,
    options?: { isShort?: boolean },
  ): Promise<StoredRun & { chunks: AsyncIterable<StoredBytes> }>;
  /** Replay, then live, without gap or repeat; returns after the terminal event's batch. Batches are in order. */
  follow(address: RunAddress, options: FollowOptions): AsyncIterable<StoredLine[]>;
  /** Every stored commit of every run, oldest first, up to what is stored when the call begins (for rebuilds and sweeps). */
  scan(): AsyncIterable<{
    address: RunAddress;
    stream_seq: number;
    lines: StoredLine[];
    digest: string;
    first: number;
    last: number;
  }>;
  /** Blobs: values over 64 KiB, by SHA-256 of their UTF-8 JSON text. */
  putBlob(address: RunAddress, text: string): Promise<{ blob: string; bytes: number; preview: string }>;
  getBlob(address: RunAddress, sha256: string): Promise<string | undefined>;
  /**
   * Whether the run was erased or is being erased, from the leader. Where a run's events turn out to be missing, and
   * where one would be created by anything but a fresh start, the log asks by itself and throws RunErased.
   */
  isErased(address: RunAddress): Promise<boolean>;
  /** Stops followers and timers; the connection belongs to the caller. */
  close(): Promise<void>;
}
