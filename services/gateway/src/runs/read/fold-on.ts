import { setImmediate as otherWork } from 'node:timers/promises';
import type { RunAddress, RunLog, StoredLine } from '@runledger/run-log';
import { changesView, foldView, type RunView } from '@runledger/run-views';
import { chainDigest, decodeEvent } from '@runledger/wire';

/** Events after which other requests have their turn. */
const TURN = 2_000;

export interface FoldOptions {
  /** The last event to fold; absent: all that the run has when this begins. */
  upTo?: number;
  /** Is shown the view after every commit that is folded whole. */
  onCommit?: (view: RunView) => void;
}

/**
 * The view carried on to the last event that the run has when this begins, or to `upTo`; undefined when there is no such
 * run. A run that grows faster than it is folded is not chased.
 */
export async function foldOn(
  runLog: Pick<RunLog, 'commits'>,
  address: RunAddress,
  start: RunView | undefined,
  options: FoldOptions = {},
): Promise<RunView | undefined> {
  const { upTo = Infinity, onCommit } = options;
  const { last_seq, commits } = await runLog.commits(address, start?.seq ?? 0);
  if (last_seq === 0) return undefined;
  // The log was restored to an earlier time: the log is right.
  if (start && last_seq < start.seq) return foldOn(runLog, address, undefined, options);
  if (start?.seq === upTo) return start;
  let view = start;
  let turn = TURN;
  for await (const { lines, digest } of commits) {
    const seen = view?.seq ?? 0;
    const wanted = lines.filter(({ seq }) => seq > seen && seq <= upTo);
    const isWhole = wanted.at(-1) === lines.at(-1);
    view = carryOn(view, wanted, isWhole ? digest : digestOf(view, wanted));
    if (view && isWhole) onCommit?.(view);
    if ((view?.seq ?? 0) >= upTo) return view;
    if ((turn -= lines.length) > 0) continue;
    turn = TURN;
    await otherWork();
  }
  return view;
}

const digestOf = (view: RunView | undefined, lines: readonly StoredLine[]): string =>
  chainDigest(
    view?.digest ?? '',
    lines.map(({ line }) => line),
  );

/** Of the events that change nothing but the view's place only the last one is looked at. */
function carryOn(
  view: RunView | undefined,
  lines: readonly StoredLine[],
  digest: string,
): RunView | undefined {
  const last = lines.at(-1);
  let folded = view;
  for (const stored of lines)
    if (stored === last || changesView(stored.type))
      folded = foldView(folded, decodeEvent(stored.line), digest);
  return folded;
}
