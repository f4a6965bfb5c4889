/**
 * Finds runs that ended longer ago than they are kept, and writes their tombstones; the procedure that erases a run on
 * request does the rest.
 *
 * 1. A view only names suspects. Whether a run has ended, and when, is read from the log.
 * 2. A child is kept as long as its parent has not ended: a parent that is resumed looks for it.
 * 3. Any number of replicas may sweep at once: a tombstone is created once.
 * 4. A sweep never throws, and one suspect's failure does not keep the next from being looked at.
 */
import type { RunAddress, RunLog } from '@runledger/run-log';
import type { RunInStatus, ViewStore } from '@runledger/view-store';
import { decodeEvent, tombstoneFor, type Tombstone } from '@runledger/wire';
import type { Logger } from 'pino';
import type { Tombstones } from '../erasure/tombstones.ts';

export interface RetentionParts {
  store: Pick<ViewStore, 'inStatus'>;
  runLog: Pick<RunLog, 'page'>;
  tombstones: Tombstones;
  logger: Logger;
  count: (outcome: RetentionOutcome) => void;
}

/** `due`: has a tombstone now. `erasing`: had one before. `kept`: its parent has not ended, or the log says otherwise than its view. */
export const RETENTION_OUTCOMES = ['due', 'erasing', 'kept', 'failed'] as const;
export type RetentionOutcome = (typeof RETENTION_OUTCOMES)[number];
export type RetentionTotals = Record<RetentionOutcome, number>;

export interface RetentionOptions {
  /** How long after its end a run is kept, in milliseconds. */
  keepMs: number;
  /** Milliseconds since the epoch. */
  now: number;
  /** Tombstones of this sweep at most. */
  batch: number;
  signal?: AbortSignal;
}

const ENDED = ['success', 'error', 'stopped'];
const PAGE = 500;

export async function sweepRetention(
  parts: RetentionParts,
  options: RetentionOptions,
): Promise<RetentionTotals> {
  const totals: RetentionTotals = { due: 0, erasing: 0, kept: 0, failed: 0 };
  try {
    for await (const suspect of suspects(parts.store, options)) {
      if (totals.due >= options.batch) break;
      const outcome = await examine(parts, suspect, options);
      totals[outcome] += 1;
      parts.count(outcome);
    }
  } catch (error) {
    const fields = { event: 'reconciler.retention.total_failure', ...totals, reason: String(error) };
    parts.logger.error(fields, 'the sweep for runs whose time is over failed');
    return totals;
  }
  const level = totals.failed > 0 ? 'warn' : totals.due > 0 ? 'info' : 'debug';
  parts.logger[level](
    { event: 'reconciler.retention.swept', ...totals },
    'swept for runs whose time is over',
  );
  return totals;
}

/** An ended run's last event is its end. */
async function* suspects(
  store: RetentionParts['store'],
  { keepMs, now, signal }: RetentionOptions,
): AsyncIterable<RunInStatus> {
  const idleSince = new Date(now - keepMs).toISOString();
  let after: string | undefined;
  for (;;) {
    const page = await store.inStatus(ENDED, PAGE, {
      idle_since: idleSince,
      ...(after !== undefined && { after_run_id: after }),
    });
    for (const suspect of page) {
      if (signal?.aborted) return;
      yield suspect;
    }
    if (page.length < PAGE) return;
    after = page.at(-1)?.run_id;
  }
}

async function examine(
  parts: RetentionParts,
  { tenant_id, run_id }: RunInStatus,
  options: RetentionOptions,
): Promise<RetentionOutcome> {
  const address = { tenant_id, run_id };
  try {
    if (await parts.tombstones.get(address)) return 'erasing';
    const tombstone = await dueTombstone(parts.runLog, address, options);
    if (!tombstone) return 'kept';
    return (await parts.tombstones.put(address, tombstone, 0)) ? 'due' : 'erasing';
  } catch (error) {
    const fields = { event: 'reconciler.retention.failed', ...address, reason: String(error) };
    parts.logger.warn(fields, 'a run whose time may be over could not be looked at');
    return 'failed';
  }
}

async function dueTombstone(
  runLog: RetentionParts['runLog'],
  address: RunAddress,
  { keepMs, now }: RetentionOptions,
): Promise<Tombstone | undefined> {
  const { lines, last_seq, ended } = await runLog.page(address, 0, 1);
  const first = lines[0] && requested(lines[0].line);
  if (!first || !ended) return undefined;
  const last = (await runLog.page(address, last_seq - 1, 1)).lines[0];
  if (!last || !(Date.parse(decodeEvent(last.line).at) < now - keepMs)) return undefined;
  if (first.parent && !(await isOver(runLog, { ...address, run_id: first.parent.run_id }))) return undefined;
  return tombstoneFor(first, {
    erased_by: 'retention',
    reason: 'retention',
    requested_at: new Date(now).toISOString(),
  });
}

const requested = (line: string) => decodeEvent(line).data as { parent?: { run_id: string } };

/** Ended, or erased itself. */
async function isOver(runLog: RetentionParts['runLog'], address: RunAddress): Promise<boolean> {
  const { last_seq, ended } = await runLog.page(address, 0, 0);
  return ended || last_seq === 0;
}
