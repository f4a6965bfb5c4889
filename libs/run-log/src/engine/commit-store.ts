import type { Commit, EncodedCommit } from '@runledger/wire';
import type { RunAddress } from '../port.ts';

/**
 * What the log needs of a store: appends under an expectation, reads from the leader, reads in bulk, live copies.
 * Everything above it (deciding, rebasing, batching, following) is the same for JetStream and for memory.
 */
export interface StoredCommit extends Commit {
  stream_seq: number;
}

/** A stored commit whose lines were not looked at. */
export interface RawCommit {
  first: number;
  last: number;
  types: string[];
  digest: string;
  stream_seq: number;
  payload: Uint8Array;
}

export interface LiveCommit extends StoredCommit {
  /** Stream sequence of the run's commit before this one; 0: this is the first. */
  previous: number;
}

export type Appended =
  | { outcome: 'stored'; stream_seq: number }
  /** Refused, timed out or unreachable: it may have landed, only the leader's next commit tells. */
  | { outcome: 'unknown'; cause: string };

export interface Watch {
  /** Resolves when every commit appended from now on will be delivered. */
  ready: Promise<void>;
  close(): void;
}

export interface CommitStore {
  /** The run's last commit, from the leader. */
  last(address: RunAddress): Promise<StoredCommit | undefined>;
  /** The run's first commit after a stream sequence, from the leader. */
  next(address: RunAddress, afterStreamSeq: number): Promise<StoredCommit | undefined>;
  /** The run's commits with `from <= stream_seq <= until`, in order and complete. */
  range(address: RunAddress, from: number, until: number): AsyncIterable<StoredCommit>;
  /** As `range`, not decoded. `isShort`: the reader will not go far, so that little is to be read ahead. */
  rawRange(address: RunAddress, from: number, until: number, isShort?: boolean): AsyncIterable<RawCommit>;
  /** Expects `expectation` to be the run's last stream sequence (0: no such run). Throws LogUnavailable `log_full` when refused for space. */
  append(
    address: RunAddress,
    commit: EncodedCommit,
    expectation: number,
    /** The most that the caller still waits for an answer, in ms; a store may wait for less. */
    mostMs?: number,
  ): Promise<Appended>;
  /** Live copies: at most once each, possibly with holes; `onGap` when copies may have been lost. */
  watch(
    address: RunAddress,
    onCommit: (commit: LiveCommit) => void,
    onGap: () => void,
    /** Commits that are not to be decoded: the watcher's own. */
    skip?: (commitId: string) => boolean,
  ): Watch;
  /** Every commit of every run stored so far, oldest first. */
  scan(): AsyncIterable<{ address: RunAddress; commit: StoredCommit }>;
  putBlob(key: string, text: string): Promise<void>;
  getBlob(key: string): Promise<string | undefined>;
  /** Whether the run has a tombstone, from the leader. */
  isErased(address: RunAddress): Promise<boolean>;
  close(): Promise<void>;
}
