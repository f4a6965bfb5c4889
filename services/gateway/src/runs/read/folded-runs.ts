import type { RunAddress, RunLog, StoredLine } from '@runledger/run-log';
import { applyCommit, type RunView } from '@runledger/run-views';
import { admissionKey, chainDigest, decodeEvent } from '@runledger/wire';

const REMEMBERED_RUNS = 256;
/** Lines per page: enough to be quick, few enough not to keep other requests waiting. */
const PAGE = 2_000;

interface Folding {
  view: RunView | undefined;
  /** The advance that has begun: it may have looked at the log before a later reader asked. */
  running: Promise<RunView | undefined> | undefined;
  /** The one after it, shared by all who asked meanwhile. */
  next: Promise<RunView | undefined> | undefined;
}

/**
 * Runs folded from the log up to its leader's last event at the time of asking. Many who read one busy run share the
 * work, and what was folded once is not folded again.
 */
export class FoldedRuns {
  readonly #runs = new Map<string, Folding>();

  constructor(
    private readonly runLog: Pick<RunLog, 'page'>,
    /** The view in the store, which may be ahead of what this process has folded, or behind. */
    private readonly stored: (address: RunAddress) => Promise<RunView | undefined>,
  ) {}

  /** Undefined: there is no such run. Throws LogUnavailable. */
  upToNow(address: RunAddress): Promise<RunView | undefined> {
    const folding = this.#foldingOf(address);
    if (!folding.running) return this.#advance(address, folding);
    const begin = (): Promise<RunView | undefined> => {
      folding.next = undefined;
      return this.#advance(address, folding);
    };
    folding.next ??= folding.running.then(begin, begin);
    return folding.next;
  }

  #advance(address: RunAddress, folding: Folding): Promise<RunView | undefined> {
    const running = this.#fold(address, folding).finally(() => {
      if (folding.running === running) folding.running = undefined;
    });
    folding.running = running;
    return running;
  }

  async #fold(address: RunAddress, folding: Folding): Promise<RunView | undefined> {
    const stored = await this.stored(address);
    const start = (stored?.seq ?? 0) > (folding.view?.seq ?? 0) ? stored : folding.view;
    folding.view = await foldOn(this.runLog, address, start);
    return folding.view;
  }

  #foldingOf(address: RunAddress): Folding {
    const key = admissionKey(address.tenant_id, address.run_id);
    const folding = this.#runs.get(key) ?? { view: undefined, running: undefined, next: undefined };
    this.#runs.delete(key);
    this.#runs.set(key, folding);
    const oldest = this.#runs.keys().next();
    if (this.#runs.size > REMEMBERED_RUNS && !oldest.done) this.#runs.delete(oldest.value);
    return folding;
  }
}

/**
 * The view carried on to the last event that the run has when this begins, or to `upTo`. A run that grows faster than
 * it is folded is not chased.
 */
export async function foldOn(
  runLog: Pick<RunLog, 'page'>,
  address: RunAddress,
  start: RunView | undefined,
  upTo = Infinity,
): Promise<RunView | undefined> {
  let view = start;
  let target = Infinity;
  while ((view?.seq ?? 0) < target) {
    const { lines, last_seq } = await runLog.page(address, view?.seq ?? 0, PAGE);
    if (last_seq < (view?.seq ?? 0)) {
      // The run was erased, or the log was restored to an earlier time: the log is right.
      view = undefined;
      if (last_seq === 0) return undefined;
      continue;
    }
    target = Math.min(target, last_seq, upTo);
    const wanted = upTo === Infinity ? lines : lines.filter((stored) => stored.seq <= upTo);
    if (wanted.length === 0) return view;
    view = carryOn(view, wanted);
  }
  return view;
}

function carryOn(view: RunView | undefined, lines: readonly StoredLine[]): RunView | undefined {
  const text = lines.map((stored) => stored.line);
  return applyCommit(view, text.map(decodeEvent), chainDigest(view?.digest ?? '', text));
}
