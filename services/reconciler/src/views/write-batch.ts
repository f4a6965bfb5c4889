import { setImmediate as otherWork } from 'node:timers/promises';
import type { RunView } from '@runledger/run-views';
import type { ViewStore } from '@runledger/view-store';

interface PendingWrite {
  view: RunView;
  expectedSeq: number;
  done: PromiseWithResolvers<boolean>;
}

/** Views of one transaction at most. */
const BATCH = 256;

/** Puts that come while the process has other work, or while a transaction runs, share the next transaction. */
export class WriteBatch {
  #pending: PendingWrite[] = [];
  #flushing = false;

  constructor(private readonly store: Pick<ViewStore, 'putMany'>) {}

  /** As `ViewStore.put`. */
  put(view: RunView, expectedSeq: number): Promise<boolean> {
    const done = Promise.withResolvers<boolean>();
    this.#pending.push({ view, expectedSeq, done });
    if (!this.#flushing) void this.#flush();
    return done.promise;
  }

  async #flush(): Promise<void> {
    this.#flushing = true;
    while (this.#pending.length > 0) {
      await otherWork();
      await this.#write(this.#pending.splice(0, BATCH));
    }
    this.#flushing = false;
  }

  async #write(writes: PendingWrite[]): Promise<void> {
    try {
      const written = await this.store.putMany(
        writes.map(({ view, expectedSeq }) => ({ view, expectedSeq })),
      );
      writes.forEach(({ done }, index) => done.resolve(written[index] === true));
    } catch (error) {
      for (const { done } of writes) done.reject(error);
    }
  }
}
