import type { RunAddress } from '../port.ts';
import { keyOf } from './key-of.ts';

const REMEMBERED_RUNS = 2_000;
/** Of all runs; one takes some 50 bytes. */
const REMEMBERED_MARKS = 500_000;
/** Events between two bookmarks of a run: so many may be messages of their own, and are read for nothing. */
const APART = 64;

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
  #marks = 0;

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
    if (keepApart(marks.sparse, mark)) this.#marks += 1;
    this.#runs.delete(key);
    this.#runs.set(key, marks);
    while (this.#runs.size > REMEMBERED_RUNS || (this.#marks > REMEMBERED_MARKS && this.#runs.size > 1))
      this.#forgetOldest();
  }

  #forgetOldest(): void {
    for (const [key, { sparse }] of this.#runs) {
      this.#runs.delete(key);
      this.#marks -= sparse.length;
      return;
    }
  }
}

function keepApart(sparse: Mark[], mark: Mark): boolean {
  const place = placeOf(sparse, mark.seq);
  const [before, after] = [sparse[place - 1], sparse[place]];
  if (mark.seq - (before?.seq ?? 0) < APART || (after?.seq ?? Infinity) - mark.seq < APART) return false;
  sparse.splice(place, 0, mark);
  return true;
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
