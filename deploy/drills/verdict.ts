import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { waitFor } from '@runledger/testkit';
import { openViewStore } from '@runledger/view-store';
import type { Cell } from './cell.ts';
import { command } from './command.ts';
import type { Figures } from './drill.ts';
import type { Load } from './load.ts';
import type { LogAudit } from './log-audit.ts';

/** Waits until every run in the log has ended; what has not by then is in the figures. */
export async function allEnded(figures: Figures, audit: LogAudit, timeoutMs: number): Promise<void> {
  const begun = performance.now();
  const done = await waitFor(async () => (await audit.read()).unended().length === 0, {
    timeoutMs,
    everyMs: 300,
    describe: 'all runs to end',
  }).catch(() => false);
  figures.tell(
    'from the last fault to the last end',
    `${((performance.now() - begun) / 1_000).toFixed(1)} s`,
  );
  figures.none(
    'runs without an end',
    done ? [] : audit.unended().map((run) => `${run.agent_id} ${run.run_id}#${run.last_seq}`),
  );
}

/** What holds after every drill: nothing acknowledged is missing, nothing is there twice, the log agrees with itself. */
export function checkLog(figures: Figures, audit: LogAudit, load: Load): void {
  const { attempted, acknowledged } = load.starts.counts;
  const starts = load.starts.compare([...audit.runs.values()].flatMap((run) => run.start || []));
  const seen = load.seen.compare(audit.lines);
  figures.tell('starts attempted / acknowledged', `${attempted} / ${acknowledged}`);
  figures.tell('events in the log', audit.events);
  figures.tell('lines seen by observers', `${load.seen.counts.acknowledged} of ${load.watched} runs`);
  figures.atLeast('acknowledged starts', acknowledged, 1);
  figures.none('acknowledged starts missing', starts.missing);
  figures.none('starts that made two runs', starts.twice);
  figures.none('acknowledged lines missing or changed', seen.missing);
  figures.none('lines stored twice', seen.twice);
  figures.none('holes, repeats, broken digests', audit.faults);
  figures.none('reports or steps done twice', audit.repeatedEffects);
  figures.none('observers that saw a hole or an error', load.troubles);
  figures.none('starts refused with 4xx', load.refused);
}

/** Runs that did not succeed although nothing in them can fail. */
export function checkSuccess(figures: Figures, audit: LogAudit): void {
  figures.none(
    'runs that ended otherwise than in success',
    [...audit.runs.values()]
      .filter((run) => run.end !== undefined && run.end !== 'run.succeeded')
      .map((run) => `${run.agent_id} ${run.run_id} ${run.end} ${JSON.stringify(run.error)}`),
  );
}

/** The views that the cell has are those that a rebuild from the log makes. */
export async function checkViews(figures: Figures, cell: Cell, audit: LogAudit): Promise<void> {
  const rebuilt = join(cell.home, 'rebuilt');
  await mkdir(rebuilt, { recursive: true });
  const mongodbUrl = cell.env['RUNLEDGER_MONGODB_URL'];
  await using open = new AsyncDisposableStack();
  const theirs = open.adopt(await openViewStore({ home: cell.home, mongodbUrl }), (store) => store.close());
  figures.tell('rebuild', await rebuild(cell, rebuilt));
  const ours = open.adopt(await openViewStore({ home: rebuilt }), (store) => store.close());
  const begun = performance.now();
  let different: string[] = [];
  await waitFor(
    async () => {
      different = [];
      for (const { tenant_id, run_id } of audit.runs.values()) {
        const [kept, made] = await Promise.all([theirs.get(tenant_id, run_id), ours.get(tenant_id, run_id)]);
        if (made === undefined || !isDeepStrictEqual(kept, made)) different.push(run_id);
      }
      return different.length === 0;
    },
    { timeoutMs: 60_000, everyMs: 500, describe: 'the views to be equal' },
  ).catch(() => undefined);
  figures.tell(
    'views equal after',
    `${((performance.now() - begun) / 1_000).toFixed(1)} s, ${audit.runs.size} views`,
  );
  figures.none('views that differ from a rebuild', different);
}

/** Runs the operator's own command into a data folder of its own, and answers what it said. */
async function rebuild(cell: Cell, home: string): Promise<string> {
  const main = join(import.meta.dirname, '..', '..', 'services', 'reconciler', 'dist', 'main.js');
  const { RUNLEDGER_MONGODB_URL: _, ...env } = cell.env;
  const url = cell.servers.map((server) => server.url).join(',');
  const own = { ...env, RUNLEDGER_HOME: home, RUNLEDGER_NATS_URL: url };
  const set = Object.entries(own).map(([name, value]) => `${name}=${value}`);
  return command('env', ...set, process.execPath, main, 'rebuild-views');
}

/** The smallest value that so large a share of them does not exceed; 0 when there are none. */
export function share(values: readonly number[], of: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * of))] ?? 0;
}

/** The middle and the largest of some durations in ms, as text. */
export function spread(durations: readonly number[]): string {
  const at = (of: number): number => Math.round(share(durations, of));
  return durations.length === 0 ? 'none' : `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`;
}
