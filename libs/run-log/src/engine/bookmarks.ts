import type { RunAddress } from '../port.ts';
import { keyOf } from './key-of.ts';

const REMEMBERED_RUNS = 2_000;
/** Events between two bookmarks of a run. */
const APART = 1_000;

interface Mark {
  seq: number;
  stream_seq: number;
}

/**
 * Where in the stream cursors of a run lie: the place that was read last, and places here and there in the run, so that
 * what comes after a cursor is read without all that comes before it.
 */
export class Bookmarks {
  readonly #runs = new Map<string, { newest: Mark; sparse: Mark[] }>();

  /** Stream sequence to begin at for what comes after `seq`. */
  from(address: RunAddress, after: number): number {
    const marks = this.#runs.get(keyOf(address));
    if (!marks) return 1;
    const near = marks.sparse[placeOf(marks.sparse, after + 1) - 1];
    const best = marks.newest.seq <= after && marks.newest.seq > (near?.seq ?? 0) ? marks.newest : near;
    return best ? best.stream_seq + 1 : 1;
  }

  keep(address: RunAddress, commit: { last: number; stream_seq: number }): void {
    const key = keyOf(address);
    const mark = { seq: commit.last, stream_seq: commit.stream_seq };
    const marks = this.#runs.get(key) ?? { newest: mark, sparse: [] };
    marks.newest = mark;
    keepApart(marks.sparse, mark);
    this.#runs.delete(key);
    this.#runs.set(key, marks);
    if (this.#runs.size > REMEMBERED_RUNS) this.#runs.delete(this.#runs.keys().next().value as string);
  }
}

function keepApart(sparse: Mark[], mark: Mark): void {
  const place = placeOf(sparse, mark.seq);
  const [before, after] = [sparse[place - 1], sparse[place]];
  if (mark.seq - (before?.seq ?? 0) < APART || (after?.seq ?? Infinity) - mark.seq < APART) return;
  sparse.splice(place, 0, mark);
}

/** How many of the marks are before `seq`. */
function placeOf(marks: readonly Mark[], seq: number): number {
  let [low, high] = [0, marks.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((marks[middle]?.seq ?? Infinity) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}
