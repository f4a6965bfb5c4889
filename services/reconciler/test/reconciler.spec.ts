import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RunAddress } from '@runledger/run-log';
import type { RunningService } from '@runledger/service-host';
import { foldEvents, type RunView } from '@runledger/run-views';
import { startBroker, waitFor } from '@runledger/testkit';
import { openSqliteViewStore, openViewStore, type ViewStore } from '@runledger/view-store';
import { decodeEvent } from '@runledger/wire';
import { rebuildCommand } from '../src/rebuild-command.ts';
import { rebuildViews } from '../src/rebuild-views.ts';
import { Cell, isReady } from './reconciler-service.ts';
import { begin, logged, numbers, progress, randomRun, startRun, succeed } from './sample-runs.ts';

let cell: Cell;
let store: ViewStore;
let services: RunningService[] = [];

beforeAll(async () => {
  cell = await Cell.start();
});
afterAll(() => cell.stop());
beforeEach(async () => {
  store = await openViewStore(cell.settings());
});
afterEach(async () => {
  await Promise.all(services.map((service) => service.close()));
  services = [];
  await store.close();
});

async function startReconciler(): Promise<void> {
  const service = await cell.reconciler();
  services.push(service);
  await waitFor(() => isReady(service), { describe: 'the reconciler is not ready' });
}

/** Until the run's view has the run's last event. */
async function caughtUp(address: RunAddress): Promise<void> {
  const { last_seq: last } = await cell.log.page(address, 0, 0);
  await waitFor(async () => (await store.get(address.tenant_id, address.run_id))?.seq === last, {
    describe: `the view of ${address.run_id} is not at event ${last}`,
    timeoutMs: 20_000,
  });
}

async function expectEqualToRebuild(addresses: RunAddress[]): Promise<void> {
  const file = join(cell.home.path, 'rebuilt', 'views.sqlite');
  const rebuilt = await openSqliteViewStore({ file });
  await rebuildViews({ runLog: cell.log, store: rebuilt });
  for (const { tenant_id, run_id } of addresses) {
    const view = await store.get(tenant_id, run_id);
    expect(view).toBeDefined();
    expect(view).toEqual(await rebuilt.get(tenant_id, run_id));
  }
  await rebuilt.close();
}

describe('the reconciler on a real broker', () => {
  it('keeps the views of a few hundred random runs equal to a rebuild', async () => {
    await startReconciler();
    const addresses: RunAddress[] = [];
    const walk = async (lane: number) => {
      for (let n = 0; n < 20; n += 1) {
        const next = numbers(1_000 * lane + n);
        addresses.push(await randomRun(cell.log, `tenant-${next(3)}`, next, 12));
      }
    };
    await Promise.all(Array.from({ length: 15 }, (_, lane) => walk(lane)));
    await Promise.all(addresses.map(caughtUp));
    await expectEqualToRebuild(addresses);
    const first = addresses[0] as RunAddress;
    const loaded = await cell.log.load(first);
    expect(await store.get(first.tenant_id, first.run_id)).toMatchObject({
      status: loaded.run.status,
      digest: loaded.digest,
      seq: loaded.run.seq,
    });
  }, 60_000);

  it('shares the work of two without a difference', async () => {
    await Promise.all([startReconciler(), startReconciler()]);
    const addresses = await Promise.all(
      Array.from({ length: 40 }, (_, n) => randomRun(cell.log, 'shared', numbers(n + 50_000), 15)),
    );
    await Promise.all(addresses.map(caughtUp));
    await expectEqualToRebuild(addresses);
  }, 60_000);

  it('goes on where it stood, and fills holes that were made while it was away', async () => {
    await startReconciler();
    const address = await startRun(cell.log, 'acme');
    await cell.log.execute(address, () => begin());
    await caughtUp(address);
    await services.pop()?.close();
    await cell.log.execute(address, (run) => progress(run, logged(1), logged(2)));
    await store.remove(address.tenant_id, address.run_id);
    await startReconciler();
    await cell.log.execute(address, succeed);
    await caughtUp(address);
    await expectEqualToRebuild([address]);
  });

  it('fills a store that was emptied while nobody looked', async () => {
    await startReconciler();
    const address = await startRun(cell.log, 'acme');
    await caughtUp(address);
    await services.pop()?.close();
    await store.clear();
    await startReconciler();
    expect(await store.needsRebuild()).toBe(false);
    await caughtUp(address);
  });

  it('is not stopped by a message that is no commit', async () => {
    await startReconciler();
    const address = await startRun(cell.log, 'acme');
    await cell.broker.js.publish(`runs.acme.${address.run_id.replace(/.{4}$/, 'JJJJ')}`, 'not a commit');
    await cell.log.execute(address, () => begin());
    await caughtUp(address);
    const jsm = await cell.broker.jsm();
    const dead = await waitFor(
      () => jsm.streams.getMessage('DEAD', { last_by_subj: 'dead.reconciler.reconciler-views' }),
      { describe: 'nothing is on DEAD' },
    );
    expect(dead.json<{ code: string }>().code).toBe('invalid_commit');
  });
});

describe('the command rebuild-views', () => {
  it('prints what it made and answers 0', async () => {
    const lines: string[] = [];
    const address = await startRun(cell.log, 'acme');
    // The poisoned message of the spec above is in the log; a rebuild has to live with it.
    expect([await rebuildCommand(cell.env, (line) => lines.push(line)), lines]).toEqual([
      0,
      [
        expect.stringMatching(
          /^views rebuilt: \d+ runs, \d+ commits, \d+ events in \d+ ms \(\d+ events\/s\)$/,
        ),
      ],
    ]);
    expect((await store.get(address.tenant_id, address.run_id))?.status).toBe('queued');
  });

  it('drops nothing when there is no log to read', async () => {
    const address = await startRun(cell.log, 'acme');
    const view = foldEvents((await cell.log.page(address, 0, 10)).lines.map(({ line }) => decodeEvent(line)));
    await store.put(view as RunView, 0);
    const empty = await startBroker();
    try {
      const lines: string[] = [];
      expect(
        await rebuildCommand({ ...cell.env, RUNLEDGER_NATS_URL: empty.url }, (line) => lines.push(line)),
      ).toBe(1);
      expect(lines).toEqual([expect.stringContaining('views not rebuilt: ')]);
      expect(await store.get(address.tenant_id, address.run_id)).toEqual(view);
    } finally {
      await empty.stop();
    }
  });

  it('says in one line what is wrong and answers 1', async () => {
    const lines: string[] = [];
    expect(
      await rebuildCommand({ ...cell.env, RUNLEDGER_MONGODB_URL: 'mongodb://127.0.0.1:1/x' }, (line) =>
        lines.push(line),
      ),
    ).toBe(1);
    expect(lines).toEqual([
      expect.stringContaining('views not rebuilt: the view store cannot answer: connect ECONNREFUSED'),
    ]);
  });
});
