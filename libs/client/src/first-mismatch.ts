/** Where a run stands: its last event, and the digest after it. */
export interface RunDigest {
  seq: number;
  digest: string;
}

/** One of `from` to `seq` is the first event that is not as the run has it; `expected` is the run's digest after `seq`. */
export interface Mismatch {
  from: number;
  seq: number;
  expected: string;
}

/**
 * Halves the events between `right`, after which the digests are the same, and `wrong`, after which they are not. Where the
 * run cannot be asked, what was found so far is the answer.
 */
export async function firstMismatch(
  own: (seq: number) => string | undefined,
  read: (at: number) => Promise<RunDigest>,
  range: { right: number; wrong: RunDigest },
): Promise<Mismatch> {
  let { right, wrong } = range;
  while (wrong.seq - right > 1) {
    const middle = Math.floor((right + wrong.seq) / 2);
    const there = await read(middle).catch(() => undefined);
    if (!there) break;
    if (there.digest === own(middle)) right = middle;
    else wrong = there;
  }
  return { from: right + 1, seq: wrong.seq, expected: wrong.digest };
}
