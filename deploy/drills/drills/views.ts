import { setTimeout as pause } from 'node:timers/promises';
import { mongoForTests, startMongoServer, waitFor } from '@runledger/testkit';
import { type Cell, startCell } from '../cell.ts';
import { type Drill, Skipped } from '../drill.ts';
import { Load } from '../load.ts';
import { LogAudit } from '../log-audit.ts';
import { ask } from '../probe.ts';
import { allEnded, checkLog, checkSuccess, checkViews } from '../verdict.ts';

const DOWN_MS = 10_000;
const RUNS = 20;
/** The bound on a machine that does nothing else is 30 s. */
const MOST_CATCH_UP_S = 60;

/** Row 10: the views are a cache; while they are away runs go on and single runs can be asked for. */
export const views: Drill = {
  name: 'views',
  rows: '10',
  title: 'MongoDB is killed while runs are in flight, and comes back',
  async run({ cleanup, figures, say, long }) {
    const found = await mongoForTests({ own: true });
    if (found === undefined) throw new Skipped('there is no MongoDB server to start and kill here');
    const mongo = await startMongoServer({ found });
    cleanup.add('MongoDB', () => mongo.stop());
    const cell = await startCell(cleanup, {
      env: { RUNLEDGER_MONGODB_URL: `${mongo.url.replace(/\/$/, '')}/runledger` },
    });
    const load = await Load.on(cell);
    cleanup.add('load', () => load.stop());
    const audit = new LogAudit(cell.broker);
    const job = { agent_id: 'ticker', input: { count: long ? 600 : 150, every_ms: 100 } };
    const ids = await Promise.all(Array.from({ length: RUNS }, (_, run) => load.start(job, run % 4 === 0)));
    await waitFor(async () => (await audit.read()).events > RUNS * 10, {
      timeoutMs: 60_000,
      describe: 'runs to tick',
    });
    await mongo.kill();
    await pause(1_000);
    const before = (await audit.read()).events;
    const [id = ''] = ids;
    const single = await ask(cell, { path: `/runs/${id}` });
    const list = await ask(cell, { path: '/runs' });
    const during = await load.start(job, true);
    await pause(long ? 30_000 : DOWN_MS);
    const after = (await audit.read()).events;
    say(`MongoDB was away; ${after - before} events were written meanwhile`);
    await mongo.restart();
    const back = performance.now();
    const { listed, answeredMs } = await untilListed(cell, during);
    const caughtUpS = (performance.now() - back) / 1_000;
    await allEnded(figures, audit, 180_000);
    await load.observersDone(60_000);
    figures.atLeast('events written without views', after - before, RUNS);
    figures.exactly('a single run without views', single.status, 200);
    figures.exactly('the list without views', list.status, 503);
    figures.atLeast('its Retry-After', list.retryAfter, 1, 's');
    figures.tell(
      'the list answered again after',
      answeredMs === undefined ? 'never' : `${Math.round(answeredMs)} ms`,
    );
    figures.isTrue('the list has the run that was started meanwhile', listed);
    figures.atMost('until the list had what happened meanwhile', caughtUpS, MOST_CATCH_UP_S, 's');
    figures.none('exits that nobody asked for', cell.unexpectedExits);
    checkLog(figures, audit, load);
    checkSuccess(figures, audit);
    await checkViews(figures, cell, audit);
  },
};

/** Asks for the list until it has the run. `answeredMs`: until it was answered at all. */
async function untilListed(cell: Cell, runId: string): Promise<{ listed: boolean; answeredMs?: number }> {
  const begun = performance.now();
  let answeredMs: number | undefined;
  const listed = await waitFor(
    async () => {
      const { status, body } = await ask(cell, { path: '/runs?limit=100' });
      if (status !== 200) return false;
      answeredMs ??= performance.now() - begun;
      return (body['runs'] as { run_id: string }[]).some((run) => run.run_id === runId);
    },
    { timeoutMs: MOST_CATCH_UP_S * 2_000, everyMs: 200, describe: `the list to have ${runId}` },
  ).catch(() => false);
  return { listed, ...(answeredMs === undefined ? {} : { answeredMs }) };
}
