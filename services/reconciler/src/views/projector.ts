/**
 * Owns that a view is the fold of its run's events 1..seq, whoever else writes views at the same time.
 *
 * 1. A commit is folded only onto the view that ends right before it; one that the view holds is skipped; before a hole
 *    the missing events are read from the log.
 * 2. A view is written only over the `seq` it was folded from; a refused write is folded again from what is stored.
 * 3. What was written is in the store when `advance` resolves.
 * 4. An erased run has no view. Only a write that makes a view can bring one back, so only that one is followed by a look
 *    for the run's tombstone: the tombstone is there before the view is taken away, so whoever writes after that finds
 *    it. A write over a stored view finds none to write over once it has been taken away.
 */
import type { AnyEvent } from '@runledger/run';
import { applyCommit, foldView, isEnded, placeInView, type RunView } from '@runledger/run-views';
import { RunErased, type RunAddress, type RunLog } from '@runledger/run-log';
import { ViewsUnavailable, type ViewStore } from '@runledger/view-store';
import { decodeEvent, Poison } from '@runledger/wire';
import { ViewCache } from './view-cache.ts';
import { WriteBatch } from './write-batch.ts';

export interface FoldableCommit {
  first: number;
  last: number;
  digest: string;
  events: AnyEvent[];
}

export type Advance = 'applied' | 'held' | 'refolded' | 'erased';

/** Views kept in memory; a view is mostly its input and result, 64 KiB each at most. */
const CACHED_VIEWS = 500;
/** Refused writes, without the view having got further meanwhile, before the commits are left for later. */
const LOST_RACES = 20;
/** Events of one page when a hole is filled. */
const PAGE = 1_000;

export class ViewProjector {
  readonly #cache = new ViewCache(CACHED_VIEWS);
  readonly #writes: WriteBatch;

  constructor(
    private readonly runLog: Pick<RunLog, 'page' | 'isErased'>,
    private readonly store: Pick<ViewStore, 'get' | 'putMany' | 'remove'>,
  ) {
    this.#writes = new WriteBatch(store);
  }

  /** Brings the run's view to the last of these commits, which follow one another. */
  async advance(address: RunAddress, commits: readonly FoldableCommit[]): Promise<Advance> {
    try {
      return await this.#advance(address, commits);
    } catch (error) {
      // What is missing in a run that is being erased is no fault, and its commits are no dead letters.
      if (error instanceof RunErased) return 'erased';
      if (error instanceof Poison && (await this.runLog.isErased(address))) return 'erased';
      throw error;
    }
  }

  async #advance(address: RunAddress, commits: readonly FoldableCommit[]): Promise<Advance> {
    const key = `${address.tenant_id}.${address.run_id}`;
    let furthest = 0;
    for (let lost = 0; lost < LOST_RACES; lost += 1) {
      const stored = this.#cache.get(key) ?? (await this.store.get(address.tenant_id, address.run_id));
      const { view, how } = await this.#fold(address, stored, commits);
      if (view === undefined || view === stored) return 'held';
      if (view.run_id !== address.run_id || view.tenant_id !== address.tenant_id)
        throw new Poison(
          'foreign_request',
          `the run on this subject says that it is ${view.tenant_id}.${view.run_id}`,
        );
      if (await this.#writes.put(view, stored?.seq ?? 0)) {
        if (!stored && (await this.runLog.isErased(address))) return this.#takeBack(address);
        if (isEnded(view)) this.#cache.delete(key);
        else this.#cache.set(key, view);
        return how;
      }
      this.#cache.delete(key);
      // A refusal because another writer has taken the view further is progress, and there is an end to it.
      const now = stored?.seq ?? 0;
      if (now > furthest) lost = 0;
      furthest = Math.max(furthest, now);
    }
    throw new ViewsUnavailable(
      `the view of run ${address.run_id} cannot be written: ${LOST_RACES} writes were refused`,
    );
  }

  async #takeBack({ tenant_id, run_id }: RunAddress): Promise<'erased'> {
    await this.store.remove(tenant_id, run_id);
    return 'erased';
  }

  async #fold(
    address: RunAddress,
    stored: RunView | undefined,
    commits: readonly FoldableCommit[],
  ): Promise<{ view: RunView | undefined; how: Advance }> {
    let view = stored;
    let how: Advance = 'applied';
    for (const { first, last, digest, events } of commits) {
      const place = placeInView(view, first, last);
      if (place === 'next') view = applyCommit(view, events, digest);
      if (place !== 'hole') continue;
      view = await this.#refold(address, view);
      how = 'refolded';
    }
    return { view, how };
  }

  /** The view with everything that the log has after it now; a run that is gone from the log leaves it as it is. */
  async #refold(address: RunAddress, stored: RunView | undefined): Promise<RunView | undefined> {
    let view = stored;
    for (;;) {
      const after = view?.seq ?? 0;
      const { lines, last_seq: lastSeq, digest } = await this.runLog.page(address, after, PAGE);
      for (const { seq, line } of lines)
        view = foldView(view, decodeEvent(line), seq === lastSeq ? digest : '');
      const seq = view?.seq ?? 0;
      if (seq >= lastSeq) return view;
      if (seq === after)
        throw new Poison(
          'unfoldable_run',
          `the log of run ${address.run_id} does not go on after event ${after}`,
        );
    }
  }
}
