import type { RunAddress } from '@runledger/run-log';
import { KEEP, type Handled } from '@runledger/nest-jetstream';
import type { Tombstone } from '@runledger/wire';
import type { Logger } from 'pino';
import { eraseRun, type EraseParts } from './erase-run.ts';
import type { Tombstones } from './tombstones.ts';

/**
 * How long after an erasure its run is looked for again, in milliseconds. Longer than any writer may be late that took
 * its decision before the tombstone: a start that is repeated, a paused executor with a value in its hand, a view that was written
 * by a process that died before it looked for the tombstone.
 */
export const LATE_WRITERS_MS = 15 * 60_000;

/** Rests after each overwritten message, in times of its cost: retention is in no hurry. */
const REST = { requested: 1, retention: 4 } as const;

export interface EraserParts extends EraseParts {
  tombstones: Tombstones;
  logger: Logger;
  /** Counts an erasure that this process has brought to its end. */
  count: (reason: Tombstone['reason']) => void;
  /** Milliseconds since the epoch. */
  now?: () => number;
}

/** Does what a tombstone asks for, and writes into it when it was done. */
export class Eraser {
  readonly #stopped = new AbortController();

  constructor(private readonly parts: EraserParts) {}

  /** Keeps the message of a tombstone until its run has been looked for a second time. */
  async handle(address: RunAddress): Promise<Handled> {
    const stored = await this.parts.tombstones.get(address);
    if (!stored || stored.tombstone.confirmed_at !== null) return;
    const { tombstone, revision } = stored;
    const now = this.parts.now?.() ?? Date.now();
    if (tombstone.done_at !== null && now - Date.parse(tombstone.done_at) < LATE_WRITERS_MS) return KEEP;
    await eraseRun(this.parts, address, tombstone, {
      rest: REST[tombstone.reason],
      signal: this.#stopped.signal,
    });
    const at = new Date(now).toISOString();
    const next =
      tombstone.done_at === null ? { ...tombstone, done_at: at } : { ...tombstone, confirmed_at: at };
    if (await this.parts.tombstones.put(address, next, revision)) this.#tell(address, next);
  }

  /** What runs now ends before its next message; it comes again elsewhere. */
  stop(): void {
    this.#stopped.abort(new Error('the service stops'));
  }

  #tell(address: RunAddress, { reason, erased_by, requested_at, confirmed_at }: Tombstone): void {
    const fields = { ...address, reason, erased_by, requested_at };
    if (confirmed_at !== null) {
      this.parts.logger.info(
        { event: 'reconciler.erasure.confirmed', ...fields },
        'an erased run has stayed away',
      );
      return;
    }
    this.parts.count(reason);
    this.parts.logger.info({ event: 'reconciler.erasure.done', ...fields }, 'a run was erased');
  }
}
