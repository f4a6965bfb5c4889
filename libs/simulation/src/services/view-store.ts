import type { RunView } from '@runledger/run-views';

/** Views as the reconciler stores them: a view is written over the `seq` that it was folded from. */
export class ViewStore {
  readonly #views = new Map<string, RunView>();

  get(runId: string): RunView | undefined {
    return this.#views.get(runId);
  }

  all(): RunView[] {
    return [...this.#views.values()];
  }

  put(view: RunView, over: number): boolean {
    if ((this.#views.get(view.run_id)?.seq ?? 0) !== over) return false;
    this.#views.set(view.run_id, view);
    return true;
  }
}
