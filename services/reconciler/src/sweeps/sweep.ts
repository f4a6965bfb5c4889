/**
 * What every sweep over runs has in common.
 *
 * 1. A view only names suspects. What is done is decided from the runs as the leader has them, by commands that the
 *    run's state refuses when it is no longer so.
 * 2. Any number of replicas may sweep at once: of commands for the same run one is appended, the others change nothing.
 * 3. A sweep never throws, and one suspect's failure does not keep the next from being looked at.
 */
import type { Command, Run } from '@runledger/run';
import type { RunAddress, RunLog } from '@runledger/run-log';
import type { RunInStatus, ViewStore } from '@runledger/view-store';
import type { Logger } from 'pino';

export interface SweepParts {
  store: Pick<ViewStore, 'inStatus' | 'get'>;
  runLog: Pick<RunLog, 'load' | 'execute' | 'page' | 'isErased'>;
  logger: Logger;
  /** Counts one suspect's outcome. */
  count: (sweep: string, outcome: string) => void;
}

export interface SweepOptions {
  /** Only runs without an event for this long, in milliseconds; 0: all. */
  idleMs: number;
  /** Milliseconds since the epoch. */
  now: number;
  signal?: AbortSignal;
}

/** One look at one suspect. */
export interface Look {
  parts: SweepParts;
  address: RunAddress;
  suspect: RunInStatus;
  now: number;
  /** Logs `reconciler.<sweep>.<name>` with the run's address. */
  say: (level: 'info' | 'warn', name: string, fields: object, message: string) => void;
}

export interface SweepKind {
  name: string;
  /** For the log: "swept for ...". */
  what: string;
  statuses: readonly string[];
  /** Outcomes that changed something. */
  effects: readonly string[];
  /** Gives the outcome. */
  examine(look: Look): Promise<string>;
}

/** How many suspects came to which outcome. */
export type SweepTotals = Record<string, number>;

const PAGE = 500;

export async function sweepRuns(
  kind: SweepKind,
  parts: SweepParts,
  options: SweepOptions,
): Promise<SweepTotals> {
  const totals: SweepTotals = { looked_at: 0, failed: 0 };
  const note = (outcome: string): void => {
    totals[outcome] = (totals[outcome] ?? 0) + 1;
    parts.count(kind.name, outcome);
  };
  try {
    for await (const suspect of suspects(kind, parts, options)) {
      totals['looked_at'] = (totals['looked_at'] ?? 0) + 1;
      note(await lookAt(kind, parts, suspect, options.now));
    }
    report(kind, parts.logger, totals);
  } catch (error) {
    const fields = { event: `reconciler.${kind.name}.total_failure`, ...totals, reason: String(error) };
    parts.logger.error(fields, `the sweep for ${kind.what} failed`);
  }
  return totals;
}

async function* suspects(
  kind: SweepKind,
  { store }: SweepParts,
  { idleMs, now, signal }: SweepOptions,
): AsyncIterable<RunInStatus> {
  const idle = idleMs > 0 ? { idle_since: new Date(now - idleMs).toISOString() } : {};
  let after: string | undefined;
  for (;;) {
    const page = await store.inStatus(kind.statuses, PAGE, {
      ...idle,
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

async function lookAt(
  kind: SweepKind,
  parts: SweepParts,
  suspect: RunInStatus,
  now: number,
): Promise<string> {
  const address: RunAddress = { tenant_id: suspect.tenant_id, run_id: suspect.run_id };
  const say: Look['say'] = (level, name, fields, message) =>
    parts.logger[level]({ event: `reconciler.${kind.name}.${name}`, ...address, ...fields }, message);
  try {
    return await kind.examine({ parts, address, suspect, now, say });
  } catch (error) {
    say('warn', 'failed', { reason: String(error) }, 'a suspect could not be looked at');
    return 'failed';
  }
}

function report(kind: SweepKind, logger: Logger, totals: SweepTotals): void {
  const { failed = 0, looked_at: lookedAt = 0 } = totals;
  const name = failed === 0 ? 'swept' : failed === lookedAt ? 'total_failure' : 'partial_failure';
  const level =
    name === 'total_failure'
      ? 'error'
      : failed > 0
        ? 'warn'
        : kind.effects.some((one) => totals[one])
          ? 'info'
          : 'debug';
  logger[level]({ event: `reconciler.${kind.name}.${name}`, ...totals }, `swept for ${kind.what}`);
}

/** Whether the command changed the run; false: another was first, or it has gone on. */
export async function changed(
  { runLog }: Pick<SweepParts, 'runLog'>,
  address: RunAddress,
  command: (run: Run) => Command,
): Promise<boolean> {
  const { events } = await runLog.execute(address, command);
  return events !== undefined && events.length > 0;
}
