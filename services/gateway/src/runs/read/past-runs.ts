import type { RunAddress, RunLog } from '@runledger/run-log';
import type { RunView } from '@runledger/run-views';
import { admissionKey } from '@runledger/wire';
import { foldOn } from './fold-on.ts';
import { Snapshots } from './snapshots.ts';

/** From a snapshot that is no farther away than this a fold is quick. */
const NEAR = 2_000;

/** Runs as they were. What is folded on the way to an event is kept here and there, for those who ask for another one. */
export class PastRuns {
  readonly #snapshots = new Snapshots();
  /** Long folds, by run: who asks meanwhile waits for what it leaves. */
  readonly #folding = new Map<string, Promise<unknown>>();

  constructor(
    private readonly runLog: Pick<RunLog, 'bytes'>,
    /** The view in the store. */
    private readonly stored: (address: RunAddress) => Promise<RunView | undefined>,
  ) {}

  /** The run after event `seq`, or after its last one; undefined when there is no such run. */
  async at(address: RunAddress, seq: number): Promise<RunView | undefined> {
    const key = admissionKey(address.tenant_id, address.run_id);
    const near = this.#near(key, seq);
    if (near) return this.#fold(address, key, near, seq);
    await this.#folding.get(key);
    const nearNow = this.#near(key, seq);
    if (nearNow) return this.#fold(address, key, nearNow, seq);
    const folding = this.#foldFar(address, key, seq);
    const settled = folding.then(
      () => undefined,
      () => undefined,
    );
    this.#folding.set(key, settled);
    void settled.then(() => {
      if (this.#folding.get(key) === settled) this.#folding.delete(key);
    });
    return folding;
  }

  #near(key: string, seq: number): RunView | undefined {
    const snapshot = this.#snapshots.before(key, seq);
    return snapshot && seq - snapshot.seq <= NEAR ? snapshot : undefined;
  }

  async #foldFar(address: RunAddress, key: string, seq: number): Promise<RunView | undefined> {
    const stored = await this.stored(address);
    const snapshot = this.#snapshots.before(key, seq);
    const useful = stored && stored.seq <= seq && stored.seq > (snapshot?.seq ?? 0) ? stored : snapshot;
    return this.#fold(address, key, useful, seq);
  }

  #fold(
    address: RunAddress,
    key: string,
    start: RunView | undefined,
    upTo: number,
  ): Promise<RunView | undefined> {
    return foldOn(this.runLog, address, start, { upTo, onCommit: (view) => this.#snapshots.keep(key, view) });
  }
}
