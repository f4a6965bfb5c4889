/** The first index at which `compare(item)` is not negative; `items` is sorted by it. */
function firstIndex<T>(items: readonly T[], compare: (item: T) => number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(items[middle] as T) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Longer pieces are split: to add and to remove moves no more than this. */
const MOST_IN_PIECE = 512;

/** Items kept in an order; adding and removing look at a logarithm of them, and move a few. */
export class Ordered<T> {
  /** None is empty. */
  readonly #pieces: T[][] = [];

  constructor(private readonly order: (a: T, b: T) => number) {}

  get first(): T | undefined {
    return this.#pieces[0]?.[0];
  }

  add(item: T): void {
    if (this.#pieces.length === 0) {
      this.#pieces.push([item]);
      return;
    }
    const { pieceAt, piece, index } = this.#find((other) => this.order(other, item));
    piece.splice(index, 0, item);
    if (piece.length > MOST_IN_PIECE) this.#pieces.splice(pieceAt + 1, 0, piece.splice(MOST_IN_PIECE / 2));
  }

  remove(item: T): void {
    if (this.#pieces.length === 0) return;
    const { pieceAt, piece, index } = this.#find((other) => this.order(other, item));
    const found = piece[index];
    if (found === undefined || this.order(found, item) !== 0) return;
    piece.splice(index, 1);
    if (piece.length === 0) this.#pieces.splice(pieceAt, 1);
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const piece of this.#pieces) yield* piece;
  }

  /** All items once, beginning with the first at which `compare(item)` is not negative. */
  *from(compare: (item: T) => number): Iterable<T> {
    if (this.#pieces.length === 0) return;
    const { pieceAt, index } = this.#find(compare);
    const { length } = this.#pieces;
    for (let step = 0; step <= length; step++) {
      const piece = this.#pieces[(pieceAt + step) % length] as T[];
      yield* piece.slice(step === 0 ? index : 0, step === length ? index : undefined);
    }
  }

  /** Where the first item is at which `compare(item)` is not negative: in the first piece that does not end before it. */
  #find(compare: (item: T) => number): { pieceAt: number; piece: T[]; index: number } {
    const after = firstIndex(this.#pieces, (piece) => compare(piece.at(-1) as T));
    const pieceAt = Math.min(after, this.#pieces.length - 1);
    const piece = this.#pieces[pieceAt] as T[];
    return { pieceAt, piece, index: firstIndex(piece, compare) };
  }
}

/** Values by name, visited in a ring: from any name on, round to the one before it. */
export class Ring<V> {
  readonly #names = new Ordered<string>((a, b) => (a === b ? 0 : a < b ? -1 : 1));
  readonly #values = new Map<string, V>();

  get size(): number {
    return this.#values.size;
  }

  get(name: string): V | undefined {
    return this.#values.get(name);
  }

  getOrAdd(name: string, make: () => V): V {
    const known = this.#values.get(name);
    if (known !== undefined) return known;
    const made = make();
    this.#values.set(name, made);
    this.#names.add(name);
    return made;
  }

  delete(name: string): void {
    if (this.#values.delete(name)) this.#names.remove(name);
  }

  entries(): Iterable<[string, V]> {
    return this.#values;
  }

  /** Every name once, beginning with the first one after `last`, or with `last` itself. */
  *from(last: string | undefined, inclusive = false): Iterable<[string, V]> {
    const isBefore = (name: string): boolean =>
      last !== undefined && (name < last || (!inclusive && name === last));
    for (const name of this.#names.from((name) => (isBefore(name) ? -1 : 1)))
      yield [name, this.#values.get(name) as V];
  }
}
