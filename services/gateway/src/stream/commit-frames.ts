import { isEndType } from '@runledger/run';
import type { StoredLine } from '@runledger/run-log';
import { frameOf } from './sse-frame.ts';

/** Which types a reader wants. Readers that want the same share what is framed for them, by `key`. */
export interface TypeFilter {
  key: string;
  types: ReadonlySet<string>;
}

export function typeFilterOf(types: string | undefined): TypeFilter | undefined {
  if (types === undefined) return undefined;
  const wanted = new Set(types.split(','));
  return { key: [...wanted].sort().join(','), types: wanted };
}

/** One stored commit as SSE frames: framed at most once for all who want the same of it. */
export class CommitFrames {
  readonly first: number;
  readonly last: number;
  /** The run has ended with this commit. */
  readonly isEnd: boolean;
  #whole: Buffer | undefined;
  #filtered: Map<string, Buffer> | undefined;

  constructor(readonly lines: readonly StoredLine[]) {
    this.first = lines[0]?.seq ?? 0;
    this.last = lines.at(-1)?.seq ?? 0;
    this.isEnd = lines.some(({ type }) => isEndType(type));
  }

  /** The frames of what the filter lets through; empty where that is nothing. */
  bytes(filter: TypeFilter | undefined): Buffer {
    if (!filter) return (this.#whole ??= framed(this.lines));
    this.#filtered ??= new Map();
    const known = this.#filtered.get(filter.key);
    if (known) return known;
    const bytes = framed(this.lines.filter(({ type }) => filter.types.has(type)));
    this.#filtered.set(filter.key, bytes);
    return bytes;
  }

  /** What of it comes after an event: itself, for whoever has seen none of it. */
  after(seq: number): CommitFrames {
    return seq < this.first ? this : new CommitFrames(this.lines.filter((stored) => stored.seq > seq));
  }
}

const framed = (lines: readonly StoredLine[]): Buffer => {
  let text = '';
  for (const stored of lines) text += frameOf(stored);
  return Buffer.from(text);
};
