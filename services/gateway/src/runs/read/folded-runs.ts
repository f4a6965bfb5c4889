import type { RunAddress, RunLog } from '@runledger/run-log';
import type { RunView } from '@runledger/run-views';
import { admissionKey } from '@runledger/wire';
import { foldOn } from './fold-on.ts';

const REMEMBERED_RUNS = 256;

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
    private readonly runLog: Pick<RunLog, 'bytes'>,
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
