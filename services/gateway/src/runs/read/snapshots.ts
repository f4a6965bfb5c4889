import type { RunView } from '@runledger/run-views';

/** Events between two snapshots of a run. */
export const SNAPSHOT_EVERY = 500;
/** In all. What does not change between two of them they share, so that one takes about 1 KiB. */
const MOST_SNAPSHOTS = 20_000;

/** Views of runs as they were after some of their events. The runs that nobody asked for longest lose theirs first. */
export class Snapshots {
  /** By run, by `seq`. The run that was asked for last comes last. */
  readonly #runs = new Map<string, RunView[]>();
  #count = 0;

  constructor(private readonly most = MOST_SNAPSHOTS) {}

  /** The newest snapshot that is not after event `seq`. */
  before(run: string, seq: number): RunView | undefined {
    const views = this.#runs.get(run);
    if (!views) return undefined;
    this.#runs.delete(run);
    this.#runs.set(run, views);
    return views[placeOf(views, seq + 1) - 1];
  }

  /** Takes the view where it is far enough from those that there are. */
  keep(run: string, view: RunView): void {
    const views = this.#runs.get(run) ?? [];
    const place = placeOf(views, view.seq);
    const [before, after] = [views[place - 1], views[place]];
    if (view.seq - (before?.seq ?? 0) < SNAPSHOT_EVERY) return;
    if ((after?.seq ?? Infinity) - view.seq < SNAPSHOT_EVERY) return;
    views.splice(place, 0, view);
    this.#runs.set(run, views);
    this.#count += 1;
    this.#trim(run);
  }

  #trim(kept: string): void {
    for (const [run, views] of this.#runs) {
      if (this.#count <= this.most || run === kept) return;
      this.#count -= views.length;
      this.#runs.delete(run);
    }
  }
}

/** How many of the views are before `seq`. */
function placeOf(views: readonly RunView[], seq: number): number {
  let [low, high] = [0, views.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((views[middle]?.seq ?? Infinity) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}
