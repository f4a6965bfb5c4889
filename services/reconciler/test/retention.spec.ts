import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RunAddress } from '@runledger/run-log';
import { openViewStore, type ViewStore } from '@runledger/view-store';
import { decodeEvent } from '@runledger/wire';
import { pino } from 'pino';
import { Eraser } from '../src/erasure/eraser.ts';
import { Tombstones } from '../src/erasure/tombstones.ts';
import { rebuildViews } from '../src/rebuild-views.ts';
import { sweepRetention, type RetentionOptions, type RetentionTotals } from '../src/sweeps/retention.ts';
import { readRetentionSettings } from '../src/sweeps/retention-settings.ts';
import { erasableRun, filesWith, type ErasableRun } from './erasable-run.ts';
import { Cell } from './reconciler-service.ts';
import { startRun, succeed, begin } from './sample-runs.ts';

const DAY_MS = 86_400_000;
const KEEP_MS = 90 * DAY_MS;

let cell: Cell;
let store: ViewStore;
let tombstones: Tombstones;
let tenant = 0;

beforeAll(async () => {
  cell = await Cell.start();
  store = await openViewStore(cell.settings());
  tombstones = new Tombstones(cell.broker);
});
afterAll(async () => {
  await store.close();
  await cell.stop();
});
beforeEach(async () => {
  tenant += 1;
  await store.clear();
});

/** The views of this spec's tenant alone. */
async function project(): Promise<void> {
  await rebuildViews({
    runLog: {
      scan: () => ownScan(),
      page: cell.log.page.bind(cell.log),
      isErased: cell.log.isErased.bind(cell.log),
    },
    store,
  });
}

async function* ownScan(): ReturnType<typeof cell.log.scan> {
  for await (const commit of cell.log.scan()) if (commit.address.tenant_id === `t${tenant}`) yield commit;
}

const sweep = (options: Partial<RetentionOptions> & { now: number }): Promise<RetentionTotals> =>
  sweepRetention(
    { store, runLog: cell.log, tombstones, logger: pino({ level: 'silent' }), count: () => undefined },
    { keepMs: KEEP_MS, batch: 100, ...options },
  );

async function endOf(address: RunAddress): Promise<number> {
  const { lines } = await cell.log.page(address, 0, 1_000);
  return Date.parse(decodeEvent(lines.at(-1)?.line ?? '').at);
}

/** Ended at a later millisecond than this call was made. */
async function laterRun(): Promise<ErasableRun> {
  const now = Date.now();
  for (;;) {
    const run = await erasableRun(cell, `t${tenant}`);
    if ((await endOf(run.address)) > now + 1) return run;
  }
}

describe('retention', () => {
  it('erases what ended longer ago than it is kept, and nothing else', async () => {
    const old = await erasableRun(cell, `t${tenant}`);
    const young = await laterRun();
    const running = await erasableRun(cell, `t${tenant}`, false);
    await project();
    const due = (await endOf(old.address)) + KEEP_MS;
    expect(await sweep({ now: due })).toEqual({ due: 0, erasing: 0, kept: 0, failed: 0 });
    expect(await sweep({ now: due + 1 })).toMatchObject({ due: 1, failed: 0 });
    expect((await tombstones.get(old.address))?.tombstone).toMatchObject({
      erased_by: 'retention',
      reason: 'retention',
      requested_at: new Date(due + 1).toISOString(),
      user_id: 'ada',
      idempotency_key_sha256: old.idempotencyKey,
    });
    expect(await tombstones.get(young.address)).toBeUndefined();
    expect(await tombstones.get(running.address)).toBeUndefined();
    expect(await sweep({ now: due + 1 })).toMatchObject({ due: 0, erasing: 1 });

    const parts = { broker: cell.broker, store, tombstones, logger: pino({ level: 'silent' }) };
    await new Eraser({ ...parts, count: () => undefined }).handle(old.address);
    expect(await filesWith(old.canary, cell.server.storeDir, cell.home.path)).toEqual([]);
    expect(await sweep({ now: due + 1 })).toEqual({ due: 0, erasing: 0, kept: 0, failed: 0 });
    expect((await cell.log.page(young.address, 0, 1)).ended).toBe(true);
  });

  it('takes no more than a batch in one sweep, by how many replicas at once', async () => {
    for (let index = 0; index < 5; index += 1) await erasableRun(cell, `t${tenant}`);
    await project();
    const now = Date.now() + KEEP_MS + DAY_MS;
    expect(await sweep({ now, batch: 2 })).toMatchObject({ due: 2 });
    const totals = await Promise.all([sweep({ now }), sweep({ now }), sweep({ now })]);
    expect(totals.reduce((sum, { due }) => sum + due, 0)).toBe(3);
    expect(totals.reduce((sum, { failed }) => sum + failed, 0)).toBe(0);
  });

  it('keeps a child as long as its parent has not ended', async () => {
    const parent = await startRun(cell.log, `t${tenant}`);
    await cell.log.execute(parent, () => begin());
    const child = await startRun(cell.log, `t${tenant}`, {
      parent: { run_id: parent.run_id, call_id: 'c1' },
      root_run_id: parent.run_id,
      depth: 1,
    });
    await cell.log.execute(child, () => begin());
    await cell.log.execute(child, (run) => succeed(run));
    await project();
    const now = Date.now() + KEEP_MS + DAY_MS;
    expect(await sweep({ now })).toMatchObject({ due: 0, kept: 1 });
    await cell.log.execute(parent, (run) => succeed(run));
    await project();
    expect(await sweep({ now })).toMatchObject({ due: 2, kept: 0 });
  });

  it('believes the log, not a view that says that its run has ended', async () => {
    const run = await erasableRun(cell, `t${tenant}`, false);
    await project();
    const view = await store.get(run.address.tenant_id, run.address.run_id);
    if (!view) throw new Error('no view');
    await store.put({ ...view, status: 'success', seq: view.seq + 1 }, view.seq);
    expect(await sweep({ now: Date.now() + KEEP_MS + DAY_MS })).toMatchObject({ due: 0, kept: 1 });
    expect(await tombstones.get(run.address)).toBeUndefined();
  });

  it('is 90 days, and for ever with 0', () => {
    expect(readRetentionSettings({}).keepMs).toBe(KEEP_MS);
    expect(readRetentionSettings({ RUNLEDGER_RETENTION_DAYS: '0' }).keepMs).toBeUndefined();
    expect(readRetentionSettings({ RUNLEDGER_RETENTION_DAYS: '7' }).keepMs).toBe(7 * DAY_MS);
    expect(() => readRetentionSettings({ RUNLEDGER_RETENTION_DAYS: '1.5' })).toThrow(
      'RUNLEDGER_RETENTION_DAYS',
    );
  });
});
