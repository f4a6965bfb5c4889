/**
 * Finds runs that should be on the work queue and are not, and puts them back: a run that runs, or was granted a slot,
 * while no message is on its WORK subject, will never be taken over by anybody.
 *
 * 1. A view only names suspects. What is done is decided from the run as the leader has it.
 * 2. Any number of replicas may sweep at once: the queue takes one message per run, and a message for a run that has
 *    gone on meanwhile is dropped by the executor that gets it.
 * 3. A sweep never throws, and one suspect's failure does not keep the next from being looked at.
 */
import type { Run } from '@runledger/run';
import type { RunAddress, RunLog } from '@runledger/run-log';
import type { RunInStatus, ViewStore } from '@runledger/view-store';
import type { Logger } from 'pino';
import type { WorkQueue } from './work-queue.ts';

export interface StrandedParts {
  store: Pick<ViewStore, 'inStatus'>;
  runLog: Pick<RunLog, 'load'>;
  queue: WorkQueue;
  logger: Logger;
  /** Counts one suspect's outcome. */
  count: (outcome: Outcome) => void;
}

/**
 * `rescued`: its message is back. `advanced`: it has gone on since its view. `outstanding`: it has a message after all.
 * `waiting`: it waits for a slot. `asked`: the scheduler does not know it, and was asked to admit
 * it. `unadmitted`: it was asked before. `unheld`: nobody is to run it.
 */
export const OUTCOMES = [
  'rescued',
  'advanced',
  'outstanding',
  'waiting',
  'asked',
  'unadmitted',
  'unheld',
  'failed',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

export type SweepTotals = Record<Outcome | 'looked_at', number>;

export interface SweepOptions {
  /** Only runs without an event for this long, in milliseconds. */
  idleMs: number;
  /** Milliseconds since the epoch. */
  now: number;
  signal?: AbortSignal;
}

const STATUSES = ['queued', 'running', 'stopping'];
const PAGE = 500;

export async function sweepStranded(parts: StrandedParts, options: SweepOptions): Promise<SweepTotals> {
  const totals: SweepTotals = {
    looked_at: 0,
    ...(Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<Outcome, number>),
  };
  try {
    const outstanding = await parts.queue.outstanding();
    for await (const suspect of suspects(parts.store, options)) {
      totals.looked_at += 1;
      const outcome = outstanding.has(parts.queue.subjectOf(suspect))
        ? 'outstanding'
        : await examine(parts, suspect, options);
      totals[outcome] += 1;
      parts.count(outcome);
    }
    report(parts.logger, totals);
  } catch (error) {
    parts.logger.error(
      { event: 'reconciler.stranded.total_failure', ...totals, reason: String(error) },
      'the sweep for stranded runs failed',
    );
  }
  return totals;
}

async function* suspects(
  store: StrandedParts['store'],
  { idleMs, now, signal }: SweepOptions,
): AsyncIterable<RunInStatus> {
  const idleSince = new Date(now - idleMs).toISOString();
  let after: string | undefined;
  for (;;) {
    const page = await store.inStatus(STATUSES, PAGE, {
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

async function examine(parts: StrandedParts, suspect: RunInStatus, options: SweepOptions): Promise<Outcome> {
  const address: RunAddress = { tenant_id: suspect.tenant_id, run_id: suspect.run_id };
  try {
    return await rescue(parts, address, suspect, options.now);
  } catch (error) {
    parts.logger.warn(
      { event: 'reconciler.stranded.failed', ...address, reason: String(error) },
      'a suspect could not be looked at',
    );
    return 'failed';
  }
}

async function rescue(
  parts: StrandedParts,
  address: RunAddress,
  suspect: RunInStatus,
  now: number,
): Promise<Outcome> {
  const grant = suspect.status === 'queued' ? await parts.queue.admission(address) : undefined;
  if (grant?.state === 'queued') return 'waiting';
  const { run } = await parts.runLog.load(address);
  if (run.seq !== suspect.seq) {
    const fields = {
      event: 'reconciler.stranded.advanced_during_reconcile',
      ...address,
      view_seq: suspect.seq,
      seq: run.seq,
    };
    parts.logger.info(fields, 'a suspect has gone on by itself');
    return 'advanced';
  }
  const dispatch = dueDispatch(run, grant?.dispatch);
  if (dispatch === undefined) {
    if (run.status !== 'queued') return 'unheld';
    if (!(await parts.queue.askForAdmission(address, run.seq))) return 'unadmitted';
    const fields = { event: 'reconciler.stranded.asked', ...address };
    parts.logger.warn(fields, 'a queued run that the scheduler does not know: it is asked to admit it');
    return 'asked';
  }
  if ((await parts.queue.hasMessage(address)) || !(await parts.queue.publish(address, dispatch)))
    return 'outstanding';
  const idle_ms = now - Date.parse(suspect.last_event_at);
  const fields = {
    event: 'reconciler.stranded.rescued',
    ...address,
    status: run.status,
    dispatch,
    executor: run.holder?.executor,
    idle_ms,
  };
  parts.logger.warn(fields, 'a stranded run is back on the work queue');
  return 'rescued';
}

/** The grant that an executor should have now. */
function dueDispatch(run: Run, granted: number | undefined): number | undefined {
  if (run.status === 'queued') return granted === undefined ? undefined : Math.max(granted, run.dispatch);
  return run.holder?.dispatch;
}

function report(logger: Logger, totals: SweepTotals): void {
  const failures = totals.failed > 0;
  const all = failures && totals.failed === totals.looked_at - totals.outstanding;
  const fields = {
    ...totals,
    event: all
      ? 'reconciler.stranded.total_failure'
      : failures
        ? 'reconciler.stranded.partial_failure'
        : 'reconciler.stranded.swept',
  };
  const level = all ? 'error' : failures ? 'warn' : totals.looked_at > 0 ? 'info' : 'debug';
  logger[level](fields, 'swept for stranded runs');
}
