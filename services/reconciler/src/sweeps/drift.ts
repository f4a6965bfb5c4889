/**
 * Compares views with a fold of their runs' logs, a sample at a time: of the views, in order of run ids, and of the log, in
 * order of its commits, so that a view that is missing is found too. After the last comes the first.
 *
 * 1. A view is only wrong when it is not the fold of the events that it says it holds, or when it has not been brought
 *    forward for a while. What the projector is about to do is left to it.
 * 2. A repair is written over the very view that was compared: of several replicas one repairs, and a view that went on
 *    meanwhile is left alone.
 * 3. A sweep never throws.
 */
import { isDeepStrictEqual } from 'node:util';
import { RunErased, type RunAddress, type RunLog } from '@runledger/run-log';
import { foldView, type RunView } from '@runledger/run-views';
import type { ViewStore } from '@runledger/view-store';
import { decodeEvent } from '@runledger/wire';
import type { Logger } from 'pino';
import type { LogWalk } from './log-walk.ts';

export interface DriftParts {
  store: Pick<ViewStore, 'inStatus' | 'get' | 'replace' | 'put' | 'remove'>;
  runLog: Pick<RunLog, 'page' | 'isErased'>;
  logger: Logger;
  count: (outcome: DriftOutcome) => void;
}

/**
 * `equal`: as the log says. `repaired`: it was not, and is now. `behind`: it was right, and old; it is brought forward.
 * `missing`: there was none, and is now. `leftover`: its run was erased, and it is gone too. `advanced`: another has
 * written meanwhile.
 */
export const DRIFT_OUTCOMES = [
  'equal',
  'repaired',
  'behind',
  'missing',
  'leftover',
  'advanced',
  'failed',
] as const;
export type DriftOutcome = (typeof DRIFT_OUTCOMES)[number];
export type DriftTotals = Record<DriftOutcome, number>;

export interface DriftOptions {
  /** Views of one sweep at most, and commits. */
  sample: number;
  /** How long the projector has to bring a view forward, in milliseconds. */
  lagMs: number;
  now: number;
  signal?: AbortSignal;
}

const ALL = ['queued', 'running', 'waiting', 'stopping', 'success', 'error', 'stopped'];
const PAGE = 1_000;

export class DriftSweep {
  /** Strictly after this run id. */
  #after = '';

  constructor(
    private readonly parts: DriftParts,
    private readonly walk: Pick<LogWalk, 'next'>,
  ) {}

  async sweep(options: DriftOptions): Promise<DriftTotals> {
    const { logger, count } = this.parts;
    const totals = Object.fromEntries(DRIFT_OUTCOMES.map((outcome) => [outcome, 0])) as DriftTotals;
    try {
      for (const address of await this.#next(options.sample)) {
        if (options.signal?.aborted) break;
        const outcome = await compare(this.parts, address, options);
        totals[outcome] += 1;
        count(outcome);
      }
    } catch (error) {
      const fields = { event: 'reconciler.drift.total_failure', ...totals, reason: String(error) };
      logger.error(fields, 'the sweep for views that drifted failed');
      return totals;
    }
    const partial = totals.failed > 0;
    const drifted = totals.repaired + totals.behind + totals.missing + totals.leftover > 0;
    const event = partial ? 'reconciler.drift.partial_failure' : 'reconciler.drift.swept';
    logger[partial ? 'warn' : drifted ? 'info' : 'debug'](
      { event, ...totals },
      'compared views with the log',
    );
    return totals;
  }

  /** Begins again after the last. */
  async #next(sample: number): Promise<RunAddress[]> {
    const { store } = this.parts;
    const page = await store.inStatus(ALL, sample, { after_run_id: this.#after });
    this.#after = page.length < sample ? '' : (page.at(-1)?.run_id ?? '');
    const sampled = [...page, ...(await this.walk.next(sample))];
    return [
      ...new Map(
        sampled.map(({ tenant_id, run_id }) => [`${tenant_id}.${run_id}`, { tenant_id, run_id }]),
      ).values(),
    ];
  }
}

async function compare(parts: DriftParts, address: RunAddress, options: DriftOptions): Promise<DriftOutcome> {
  try {
    return await examine(parts, address, options);
  } catch (error) {
    if (error instanceof RunErased) return 'equal';
    const fields = { event: 'reconciler.drift.failed', ...address, reason: String(error) };
    parts.logger.warn(fields, 'a view could not be compared');
    return 'failed';
  }
}

async function examine(
  parts: DriftParts,
  address: RunAddress,
  { lagMs, now }: DriftOptions,
): Promise<DriftOutcome> {
  const { store, logger } = parts;
  const stored = await store.get(address.tenant_id, address.run_id);
  if (!stored) return addMissing(parts, address, { lagMs, now });
  const { then, latest, last_event_at } = await refold(parts.runLog, address, stored.seq);
  if (!latest) return removeLeftover(parts, address);
  const right = isDeepStrictEqual(withoutUntold(then, stored), stored);
  if (right && (latest.seq === stored.seq || now - Date.parse(last_event_at) < lagMs)) return 'equal';
  if (!(await store.replace(latest, stored))) return 'advanced';
  const name = right ? 'behind' : 'repaired';
  const fields = {
    event: `reconciler.drift.${name}`,
    ...address,
    seq: stored.seq,
    to_seq: latest.seq,
    ...(!right && { fields: differing(then, stored) }),
  };
  logger.warn(
    fields,
    right ? 'a view was brought forward' : 'a view was not the fold of its run, and is again',
  );
  return name;
}

interface Refolded {
  /** After the event that the view says it holds. */
  then: RunView | undefined;
  latest: RunView | undefined;
  last_event_at: string;
}

async function refold(runLog: Pick<RunLog, 'page'>, address: RunAddress, seq: number): Promise<Refolded> {
  let view: RunView | undefined;
  let then: RunView | undefined;
  for (;;) {
    const after = view?.seq ?? 0;
    const { lines, last_seq, digest } = await runLog.page(address, after, PAGE);
    for (const line of lines) {
      view = foldView(view, decodeEvent(line.line), line.seq === last_seq ? digest : '');
      if (line.seq === seq) then = view && (JSON.parse(JSON.stringify(view)) as RunView);
    }
    if ((view?.seq ?? 0) >= last_seq) return { then, latest: view, last_event_at: view?.last_event_at ?? '' };
    if ((view?.seq ?? 0) === after) throw new Error(`the log does not go on after event ${after}`);
  }
}

/** A fold that stops inside of the log was not told the digest there: it is then taken as stored. */
function withoutUntold(then: RunView | undefined, stored: RunView): RunView | undefined {
  return then && then.digest === '' ? { ...then, digest: stored.digest } : then;
}

function differing(then: RunView | undefined, stored: RunView): string[] {
  const names = Object.keys({ ...then, ...stored }) as (keyof RunView)[];
  return names.filter((name) => !isDeepStrictEqual(then?.[name], stored[name]));
}

async function addMissing(
  { store, runLog, logger }: DriftParts,
  address: RunAddress,
  { lagMs, now }: Pick<DriftOptions, 'lagMs' | 'now'>,
): Promise<DriftOutcome> {
  const { latest, last_event_at } = await refold(runLog, address, 0);
  if (!latest || now - Date.parse(last_event_at) < lagMs) return 'equal';
  if (!(await store.put(latest, 0))) return 'advanced';
  // A tombstone is there before a view is taken away: whoever brings one back finds it.
  if (await runLog.isErased(address)) {
    await store.remove(address.tenant_id, address.run_id);
    return 'equal';
  }
  logger.warn(
    { event: 'reconciler.drift.missing', ...address, seq: latest.seq },
    'a view was missing, and is there',
  );
  return 'missing';
}

async function removeLeftover(
  { store, runLog, logger }: DriftParts,
  address: RunAddress,
): Promise<DriftOutcome> {
  // Only of a run that was erased: a log that answers nothing may be one that is being restored.
  if (!(await runLog.isErased(address))) throw new Error('the log has no such run, and it was not erased');
  await store.remove(address.tenant_id, address.run_id);
  logger.warn(
    { event: 'reconciler.drift.leftover', ...address },
    'a view of an erased run was left, and is gone',
  );
  return 'leftover';
}
