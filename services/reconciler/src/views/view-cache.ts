import type { RunView } from '@runledger/run-views';

/** The views that this process wrote last, newest last; the oldest go first. A wrong one costs a refused write, no more. */
export class ViewCache {
  readonly #views = new Map<string, RunView>();

  constructor(private readonly limit: number) {}

  get(key: string): RunView | undefined {
    return this.#views.get(key);
  }

  set(key: string, view: RunView): void {
    this.#views.delete(key);
    this.#views.set(key, view);
    if (this.#views.size > this.limit) this.#views.delete(this.#views.keys().next().value ?? '');
  }

  delete(key: string): void {
    this.#views.delete(key);
  }
}
