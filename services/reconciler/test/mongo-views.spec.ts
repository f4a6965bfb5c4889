import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunAddress } from '@runledger/run-log';
import type { RunningService } from '@runledger/service-host';
import { mongoForTests, startMongoServer, waitFor, type MongoServer } from '@runledger/testkit';
import { openMongoViewStore, openSqliteViewStore, type ViewStore } from '@runledger/view-store';
import { rebuildViews } from '../src/rebuild-views.ts';
import { Cell, isReady } from './reconciler-service.ts';
import { begin, logged, numbers, progress, randomRun, startRun, succeed } from './sample-runs.ts';

const found = await mongoForTests({ own: true });

(found ? describe : describe.skip)('the reconciler with views in MongoDB', () => {
  let mongo: MongoServer;
  let cell: Cell;
  let store: ViewStore;
  let services: RunningService[] = [];

  beforeAll(async () => {
    mongo = await startMongoServer({ ...(found && { found }) });
    cell = await Cell.start();
    store = await openMongoViewStore({ url: mongo.url });
  }, 60_000);
  afterEach(async () => {
    await Promise.all(services.map((service) => service.close()));
    services = [];
  });
  afterAll(async () => {
    await store.close();
    await cell.stop();
    await mongo.stop();
  });

  const startReconciler = async (): Promise<RunningService> => {
    const service = await cell.reconciler({ RUNLEDGER_MONGODB_URL: mongo.url });
    services.push(service);
    return service;
  };
  const ready = (service: RunningService): Promise<boolean> =>
    waitFor(() => isReady(service), { describe: 'the reconciler is not ready', timeoutMs: 20_000 });
  const text = async (from: ViewStore, { tenant_id, run_id }: RunAddress): Promise<string> =>
    JSON.stringify(await from.get(tenant_id, run_id));
  const caughtUp = async (address: RunAddress): Promise<void> => {
    const { last_seq: last } = await cell.log.page(address, 0, 0);
    await waitFor(async () => (await store.get(address.tenant_id, address.run_id))?.seq === last, {
      describe: `the view of ${address.run_id} is not at event ${last}`,
      timeoutMs: 30_000,
    });
  };

  it('two at once keep it equal to a rebuild of either store, to the byte', async () => {
    await Promise.all((await Promise.all([startReconciler(), startReconciler()])).map(ready));
    const addresses = await Promise.all(
      Array.from({ length: 60 }, (_, n) => randomRun(cell.log, `tenant-${n % 3}`, numbers(n), 12)),
    );
    await Promise.all(addresses.map(caughtUp));
    const sqlite = await openSqliteViewStore({ file: join(cell.home.path, 'rebuilt', 'views.sqlite') });
    const rebuilt = await openMongoViewStore({ url: mongo.url, database: 'rebuilt' });
    const counts = await rebuildViews({ runLog: cell.log, store: sqlite });
    expect(await rebuildViews({ runLog: cell.log, store: rebuilt })).toEqual({
      ...counts,
      duration_ms: expect.any(Number),
    });
    for (const address of addresses) {
      const expected = await text(sqlite, address);
      expect(await text(rebuilt, address)).toBe(expected);
      expect(await text(store, address)).toBe(expected);
    }
    for (const tenant_id of ['tenant-0', 'tenant-1', 'tenant-2']) {
      const query = { tenant_id, limit: 100 };
      expect(await store.list(query)).toEqual(await sqlite.list(query));
    }
    await Promise.all([sqlite.close(), rebuilt.close()]);
  }, 90_000);

  it('starts without its store, and catches up with what happened until it came', async () => {
    await mongo.kill();
    const service = await startReconciler();
    const address = await startRun(cell.log, 'acme');
    await cell.log.execute(address, () => begin());
    expect(await isReady(service)).toBe(false);
    await mongo.restart();
    await cell.log.execute(address, (run) => progress(run, logged(1), logged(2)));
    await ready(service);
    await caughtUp(address);
  }, 60_000);

  it('loses no commit while its store is frozen and killed', async () => {
    await ready(await startReconciler());
    const addresses = await Promise.all(Array.from({ length: 20 }, () => startRun(cell.log, 'acme')));
    mongo.pause();
    for (const address of addresses) await cell.log.execute(address, () => begin());
    mongo.resume();
    await mongo.kill();
    for (const address of addresses) await cell.log.execute(address, (run) => progress(run, logged(1)));
    await mongo.restart();
    for (const address of addresses) await cell.log.execute(address, succeed);
    await Promise.all(addresses.map(caughtUp));
    const sqlite = await openSqliteViewStore({ file: join(cell.home.path, 'after', 'views.sqlite') });
    await rebuildViews({ runLog: cell.log, store: sqlite });
    for (const address of addresses) expect(await text(store, address)).toBe(await text(sqlite, address));
    await sqlite.close();
  }, 90_000);
});
