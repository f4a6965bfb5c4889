import { setImmediate as otherWork } from 'node:timers/promises';
import type { RunAddress, RunLog, StoredBytes } from '@runledger/run-log';
import { changesView, foldView, type RunView } from '@runledger/run-views';
import { chainDigest, decodeEvent } from '@runledger/wire';

/** Bytes after which other requests have their turn. */
const TURN = 1024 * 1024;
/** Events: a read of no more needs little at once. */
const SHORT = 2_000;
const NEWLINE = 10;

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
  runLog: Pick<RunLog, 'bytes'>,
  address: RunAddress,
  start: RunView | undefined,
  options: FoldOptions = {},
): Promise<RunView | undefined> {
  const { upTo = Infinity, onCommit } = options;
  const from = start?.seq ?? 0;
  const { last_seq, chunks } = await runLog.bytes(address, from, { isShort: upTo - from <= SHORT });
  if (last_seq === 0) return undefined;
  // The log was restored to an earlier time: the log is right.
  if (start && last_seq < start.seq) return foldOn(runLog, address, undefined, options);
  if (start?.seq === upTo) return start;
  let view = start;
  let turn = TURN;
  for await (const chunk of chunks) {
    if (chunk.last > upTo) return foldPart(view, chunk, upTo);
    view = foldWhole(view, chunk);
    if (view) onCommit?.(view);
    if (chunk.last === upTo) return view;
    if ((turn -= chunk.bytes.length) > 0) continue;
    turn = TURN;
    await otherWork();
  }
  return view;
}

/** Of the events that change nothing but the view's place only the last one is looked at. */
function foldWhole(view: RunView | undefined, { types, bytes, digest }: StoredBytes): RunView | undefined {
  if (!types.some(changesView)) return foldView(view, decodeEvent(lastLine(bytes)), digest);
  const lines = linesOf(bytes);
  return foldLines(view, lines, types, digest);
}

/** The digest inside a commit is stored nowhere. */
function foldPart(
  view: RunView | undefined,
  { first, types, bytes }: StoredBytes,
  upTo: number,
): RunView | undefined {
  const lines = linesOf(bytes).slice(0, upTo - first + 1);
  return foldLines(view, lines, types, chainDigest(view?.digest ?? '', lines));
}

function foldLines(
  view: RunView | undefined,
  lines: readonly string[],
  types: readonly string[],
  digest: string,
): RunView | undefined {
  let folded = view;
  for (const [at, line] of lines.entries())
    if (at === lines.length - 1 || changesView(types[at] ?? ''))
      folded = foldView(folded, decodeEvent(line), digest);
  return folded;
}

const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
const linesOf = (bytes: Uint8Array): string[] => textOf(bytes).slice(0, -1).split('\n');
const lastLine = (bytes: Uint8Array): string =>
  textOf(bytes.subarray(bytes.lastIndexOf(NEWLINE, bytes.length - 2) + 1, -1));
