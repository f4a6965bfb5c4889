import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Run, RunledgerClient } from '@runledger/client';
import { JetStreamRunLog, type RunAddress, type RunLog } from '@runledger/run-log';
import { mongoForTests, startMongoServer, waitFor, type MongoServer } from '@runledger/testkit';
import { openMongoViewStore, openSqliteViewStore, type ViewStore } from '@runledger/view-store';
import { rebuildViews } from '../../../services/reconciler/src/rebuild-views.ts';
import { startCell, type Cell } from './cell.ts';

const found = await mongoForTests({ own: true });

/** Views in MongoDB, whose server is killed, frozen and started again while runs go on. */
(found ? describe : describe.skip)('while the views are down', () => {
  let mongo: MongoServer;
  let cell: Cell;
  let ann: RunledgerClient;
  let annKey: string;
  const started: string[] = [];

  beforeAll(async () => {
    mongo = await startMongoServer({ ...(found && { found }) });
    cell = await startCell({ env: { RUNLEDGER_MONGODB_URL: `${mongo.url}cell` } });
    ann = await cell.client('ann');
    annKey = await cell.key('ann');
  }, 120_000);
  afterAll(async () => {
    await cell.stop();
    await mongo.stop();
  });

  const get = (path: string): Promise<Response> =>
    fetch(`${cell.url}${path}`, { headers: { authorization: `Bearer ${annKey}` } });
  const tick = async (count: number): Promise<string> => {
    const { run_id } = await ann.start({ agent_id: 'ticker', input: { count, every_ms: 100 } });
    started.push(run_id);
    return run_id;
  };
  const ended = (runId: string): Promise<Run> =>
    waitFor(async () => ann.getRun(runId).then((run) => (run.completed_at ? run : undefined)), {
      timeoutMs: 40_000,
      everyMs: 100,
      describe: `run ${runId} to end`,
    });
  const listed = async (): Promise<boolean> => {
    const answer = await get('/runs?limit=100');
    if (answer.status !== 200) return false;
    const { runs } = (await answer.json()) as { runs: Run[] };
    return started.every((id) => runs.some((run) => run.run_id === id && run.status === 'success'));
  };

  /** What holds while nobody answers for the views. */
  async function withoutViews(running: readonly string[]): Promise<void> {
    const list = await waitFor(
      async () => get('/runs').then((answer) => (answer.status === 503 ? answer : undefined)),
      { describe: 'lists to be refused', timeoutMs: 15_000 },
    );
    expect(Number(list.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await list.json()).toMatchObject({ code: 'views_unavailable' });
    const before = await Promise.all(running.map((id) => ann.getRun(id)));
    const fresh = await tick(3);
    expect(await ended(fresh)).toMatchObject({ status: 'success', result: { ticks: 3 } });
    const after = await Promise.all(running.map((id) => ann.getRun(id)));
    for (const [index, run] of after.entries())
      expect([run.run_id, run.seq > (before[index]?.seq ?? 0) || run.completed_at !== null]).toEqual([
        run.run_id,
        true,
      ]);
  }

  it('killed: runs start, go on and end, lists answer 503, single runs come from the log', async () => {
    const running = await Promise.all(Array.from({ length: 8 }, () => tick(80)));
    await waitFor(async () => (await get('/runs')).status === 200, { describe: 'a list' });
    await mongo.kill();
    await withoutViews(running);
    const ends = await Promise.all(running.map(ended));
    expect(ends.map(({ status }) => status)).toEqual(running.map(() => 'success'));
    await mongo.restart();
    await waitFor(listed, { describe: 'the views to catch up', timeoutMs: 30_000, everyMs: 100 });
  }, 120_000);

  it('frozen: the same, and what was asked of it meanwhile does no harm', async () => {
    const running = await Promise.all(Array.from({ length: 8 }, () => tick(60)));
    mongo.pause();
    await withoutViews(running);
    mongo.resume();
    await Promise.all(running.map(ended));
    await waitFor(listed, { describe: 'the views to catch up', timeoutMs: 30_000, everyMs: 100 });
  }, 120_000);

  it('killed and started again and again, it loses no view', async () => {
    const running = await Promise.all(Array.from({ length: 8 }, () => tick(60)));
    for (let n = 0; n < 4; n += 1) {
      const seen = await ann.getRun(running[n] ?? '').then((run) => run.seq);
      await waitFor(async () => (await ann.getRun(running[n] ?? '')).seq > seen + 3, {
        describe: 'the run to go on',
      });
      await mongo.restart();
    }
    const ends = await Promise.all(running.map(ended));
    expect(ends.map(({ status }) => status)).toEqual(running.map(() => 'success'));
    await waitFor(listed, { describe: 'the views to catch up', timeoutMs: 30_000, everyMs: 100 });
  }, 120_000);

  it('afterwards no run has failed, and every view is what a rebuild makes, in either store', async () => {
    const log = new JetStreamRunLog(cell.broker, { writer: 'acceptance/views' });
    const live = await openMongoViewStore({ url: mongo.url, database: 'cell' });
    const mongoRebuilt = await openMongoViewStore({ url: mongo.url, database: 'rebuilt' });
    const sqliteRebuilt = await openSqliteViewStore({ file: join(cell.home, 'rebuilt', 'views.sqlite') });
    await rebuildViews({ runLog: log, store: mongoRebuilt });
    await rebuildViews({ runLog: log, store: sqliteRebuilt });
    const addresses = await runsOf(log);
    expect(addresses.map(({ run_id }) => run_id).sort()).toEqual([...started].sort());
    for (const address of addresses) {
      const rebuilt = await textOf(sqliteRebuilt, address);
      expect(rebuilt).toContain('"status":"success"');
      expect(await textOf(mongoRebuilt, address)).toBe(rebuilt);
      await waitFor(async () => (await textOf(live, address)) === rebuilt, {
        describe: `the view of ${address.run_id} to equal its rebuild`,
      });
    }
    await Promise.all([live, mongoRebuilt, sqliteRebuilt].map((store) => store.close()));
    await log.close();
  }, 60_000);
});

async function runsOf(log: RunLog): Promise<RunAddress[]> {
  const found = new Map<string, RunAddress>();
  for await (const { address } of log.scan()) found.set(address.run_id, address);
  return [...found.values()];
}

const textOf = async (store: ViewStore, { tenant_id, run_id }: RunAddress): Promise<string> =>
  JSON.stringify(await store.get(tenant_id, run_id));
