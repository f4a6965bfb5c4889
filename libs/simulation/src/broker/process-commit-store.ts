import {
  LogUnavailable,
  type Appended,
  type CommitStore,
  type LiveCommit,
  type RawCommit,
  type RunAddress,
  type StoredCommit,
  type Watch,
} from '@runledger/run-log';
import type { EncodedCommit } from '@runledger/wire';
import { NoAnswer, request, type Network } from '../requests.ts';
import type { SimulatedProcess } from '../simulated-process.ts';
import type { SimulatedBroker } from './simulated-broker.ts';

const APPEND_MS = 5_000;
const LEAST_APPEND_MS = 250;
/** How long after a lost copy a process may notice that its link was broken. */
const NOTICED_MS = 5_000;

/** The store of the log as one process reaches it: over a network that loses, repeats and delays. */
export class ProcessCommitStore implements CommitStore {
  constructor(
    private readonly broker: SimulatedBroker,
    private readonly network: Network,
    private readonly process: SimulatedProcess,
  ) {}

  last(address: RunAddress): Promise<StoredCommit | undefined> {
    return this.#ask(() => this.broker.runs.last(address));
  }

  next(address: RunAddress, afterStreamSeq: number): Promise<StoredCommit | undefined> {
    return this.#ask(() => this.broker.runs.next(address, afterStreamSeq));
  }

  async *range(address: RunAddress, from: number, until: number): AsyncIterable<StoredCommit> {
    yield* await this.#ask(async () => {
      const commits: StoredCommit[] = [];
      for await (const commit of this.broker.runs.range(address, from, until)) commits.push(commit);
      return commits;
    });
  }

  async *rawRange(address: RunAddress, from: number, until: number): AsyncIterable<RawCommit> {
    yield* await this.#ask(async () => {
      const commits: RawCommit[] = [];
      for await (const commit of this.broker.runs.rawRange(address, from, until)) commits.push(commit);
      return commits;
    });
  }

  async append(
    address: RunAddress,
    commit: EncodedCommit,
    expectation: number,
    mostMs = APPEND_MS,
  ): Promise<Appended> {
    const patienceMs = Math.max(LEAST_APPEND_MS, Math.min(APPEND_MS, mostMs));
    try {
      const send = async (): Promise<Appended> => {
        const answer = await this.broker.append(address, commit, expectation);
        if (answer.outcome === 'stored') this.network.stored(this.process);
        return answer;
      };
      return await request(this.network, this.process, send, patienceMs);
    } catch (error) {
      if (error instanceof NoAnswer) return { outcome: 'unknown', cause: error.message };
      throw error;
    }
  }

  /** Copies arrive in order, and some of them not at all. */
  watch(address: RunAddress, onCommit: (commit: LiveCommit) => void, onGap: () => void): Watch {
    const { time, faults } = this.network;
    let inner: Watch | undefined;
    let closed = false;
    let latest = 0;
    const deliver = (happen: () => void, ms: number): void => {
      latest = Math.max(latest, time.now + ms);
      time.after(latest - time.now, () => this.process.run(() => !closed && happen()));
    };
    const ready = this.#ask(() => {
      if (closed || this.process.isDead) return;
      inner = this.broker.runs.watch(address, (commit) => {
        if (faults.strikes('lost_copy')) {
          if (faults.strikes('lost_copy')) deliver(onGap, NOTICED_MS);
        } else deliver(() => onCommit(commit), faults.travelMs());
      });
      this.process.onDeath(() => inner?.close());
    });
    return {
      ready,
      close: () => {
        closed = true;
        inner?.close();
      },
    };
  }

  async *scan(): AsyncIterable<{ address: RunAddress; commit: StoredCommit }> {
    yield* await this.#ask(async () => {
      const all: { address: RunAddress; commit: StoredCommit }[] = [];
      for await (const one of this.broker.runs.scan()) all.push(one);
      return all;
    });
  }

  putBlob(key: string, text: string): Promise<void> {
    return this.#ask(() => this.broker.runs.putBlob(key, text));
  }

  getBlob(key: string): Promise<string | undefined> {
    return this.#ask(() => this.broker.runs.getBlob(key));
  }

  isErased(address: RunAddress): Promise<boolean> {
    return this.#ask(() => this.broker.runs.isErased(address));
  }

  async close(): Promise<void> {}

  async #ask<T>(carryOut: () => T | Promise<T>): Promise<T> {
    try {
      return await request(this.network, this.process, carryOut);
    } catch (error) {
      if (error instanceof NoAnswer) throw new LogUnavailable('log_unavailable', error.message);
      throw error;
    }
  }
}
