import type { RunView } from '@runledger/run-views';
import { MongoBulkWriteError, type Collection } from 'mongodb';
import { isDeepStrictEqual } from 'node:util';
import { storedView, viewId, type StoredView } from './stored-view.ts';

interface Write {
  view: RunView;
  expectedSeq: number;
}

interface Placed extends Write {
  /** Its place among the answers. */
  place: number;
}

/**
 * Whether each write was made. First views go in one unordered insert, whose answer names every one that was there
 * already. Later ones are a conditional replacement each, all at once: a bulk write only tells how many of its
 * replacements found what they expected, not which.
 */
export async function writeViews(
  views: Collection<StoredView>,
  writes: readonly Write[],
): Promise<boolean[]> {
  const answers = writes.map(() => false);
  for (const round of rounds(writes)) {
    const first = round.filter(({ expectedSeq }) => expectedSeq === 0);
    const later = round.filter(({ expectedSeq }) => expectedSeq !== 0);
    const settled = await Promise.allSettled([
      insert(views, first, answers),
      ...later.map((write) => replace(views, write, answers)),
    ]);
    const failed = settled.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }
  return answers;
}

/** Over the very text that was compared: whoever was first has changed it. */
export async function replaceView(
  views: Collection<StoredView>,
  view: RunView,
  stored: RunView,
): Promise<boolean> {
  const { _id, ...next } = storedView(view);
  const found = await views.findOne<{ document: string }>({ _id }, { projection: { _id: 0, document: 1 } });
  if (!found || !isDeepStrictEqual(JSON.parse(found.document), stored)) return false;
  const { matchedCount } = await views.replaceOne({ _id, document: found.document }, next);
  return matchedCount === 1;
}

/** Writes of one run keep their order: each of them is in a round of its own. */
function rounds(writes: readonly Write[]): Placed[][] {
  const found: Placed[][] = [];
  const seen = new Map<string, number>();
  for (const [place, write] of writes.entries()) {
    const id = viewId(write.view.tenant_id, write.view.run_id);
    const round = seen.get(id) ?? 0;
    seen.set(id, round + 1);
    (found[round] ??= []).push({ ...write, place });
  }
  return found;
}

async function insert(
  views: Collection<StoredView>,
  writes: readonly Placed[],
  answers: boolean[],
): Promise<void> {
  if (writes.length === 0) return;
  const present = new Set<number>();
  try {
    await views.insertMany(
      writes.map(({ view }) => storedView(view)),
      { ordered: false },
    );
  } catch (error) {
    for (const index of duplicates(error)) present.add(index);
  }
  for (const [index, { place }] of writes.entries()) answers[place] = !present.has(index);
}

/** The places of the documents that were there already. Throws when that is not all that went wrong. */
function duplicates(error: unknown): number[] {
  if (!(error instanceof MongoBulkWriteError) || error.result.getWriteConcernError()) throw error;
  const errors = [error.writeErrors].flat();
  if (errors.length === 0 || errors.some(({ code }) => code !== 11_000)) throw error;
  return errors.map(({ index }) => index);
}

async function replace(
  views: Collection<StoredView>,
  { view, expectedSeq, place }: Placed,
  answers: boolean[],
): Promise<void> {
  const { _id, ...stored } = storedView(view);
  const { matchedCount } = await views.replaceOne({ _id, seq: expectedSeq }, stored);
  answers[place] = matchedCount === 1;
}
