import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunAddress } from '@runledger/run-log';
import type { RunView } from '@runledger/run-views';
import type { RunningService } from '@runledger/service-host';
import { waitFor } from '@runledger/testkit';
import { openViewStore, type ViewStore } from '@runledger/view-store';
import { tombstoneFor } from '@runledger/wire';
import { Tombstones } from '../src/erasure/tombstones.ts';
import { Cell, isReady } from './reconciler-service.ts';
import { begin, logged, progress, startRun, succeed } from './sample-runs.ts';

const FAST = { RUNLEDGER_SWEEP_AFTER_S: '1', RUNLEDGER_DRIFT_SWEEP_S: '1', RUNLEDGER_DRIFT_SAMPLE: '50' };

let cell: Cell;
let store: ViewStore;
let replicas: RunningService[] = [];

beforeAll(async () => {
  Object.assign(process.env, FAST);
  cell = await Cell.start();
  store = await openViewStore(cell.settings());
});
afterEach(async () => {
  await Promise.all(replicas.splice(0).map((replica) => replica.close()));
});
afterAll(async () => {
  for (const name of Object.keys(FAST)) delete process.env[name];
  await store.close();
  await cell.stop();
});

async function startReplicas(count: number): Promise<void> {
  replicas = await Promise.all(Array.from({ length: count }, () => cell.reconciler()));
  await waitFor(async () => (await Promise.all(replicas.map(isReady))).every(Boolean), {
    describe: 'reconcilers that are ready',
  });
}

async function counted(outcome: string): Promise<number[]> {
  const texts = await Promise.all(
    replicas.map(async ({ opsUrl }) => (await fetch(`${opsUrl}/metrics`)).text()),
  );
  const line = new RegExp(`runledger_view_drift_total\\{[^}]*outcome="${outcome}"[^}]*\\} (\\d+)`);
  return texts.map((text) => Number(line.exec(text)?.[1] ?? 0));
}

const sum = async (outcome: string): Promise<number> => (await counted(outcome)).reduce((a, b) => a + b, 0);

/** Each replica has found so many more views to be right. */
async function comparedByAll(more: number): Promise<void> {
  const before = await counted('equal');
  await waitFor(async () => (await counted('equal')).every((now, at) => now >= (before[at] ?? 0) + more), {
    timeoutMs: 30_000,
    describe: `${more} more comparisons of each replica`,
  });
}

const view = async ({ tenant_id, run_id }: RunAddress): Promise<RunView | undefined> =>
  store.get(tenant_id, run_id);

async function seen(address: RunAddress): Promise<RunView> {
  const { run } = await cell.log.load(address);
  await waitFor(async () => (await view(address))?.seq === run.seq, { describe: 'the view' });
  const found = await view(address);
  if (!found) throw new Error('there is no view');
  return found;
}

async function endedRun(): Promise<RunAddress> {
  const address = await startRun(cell.log, 'acme', { labels: { team: 'ops' } });
  await cell.log.execute(address, () => begin());
  await cell.log.execute(address, (run) => progress(run, logged(1), logged(2)));
  await cell.log.execute(address, succeed);
  return address;
}

/** Spoils a view while nobody looks, and lets three replicas find out. */
async function spoiled(spoil: (right: RunView) => Promise<unknown>): Promise<[RunAddress, RunView]> {
  await startReplicas(1);
  const address = await endedRun();
  const right = await seen(address);
  await Promise.all(replicas.splice(0).map((replica) => replica.close()));
  await spoil(right);
  expect(await view(address)).not.toEqual(right);
  await startReplicas(3);
  return [address, right];
}

describe('three reconcilers that compare views with the log', () => {
  it('repair a view that is not the fold of its run, once, whatever of it is wrong', async () => {
    const wrong = (right: RunView): RunView => ({
      ...right,
      status: 'running',
      usage: { ...right.usage, turns: 99 },
      labels: { team: 'red' },
    });
    const [address, right] = await spoiled((one) => store.replace(wrong(one), one));
    await waitFor(async () => (await sum('repaired')) > 0, { timeoutMs: 30_000, describe: 'the repair' });
    await comparedByAll(3);
    expect(await view(address)).toEqual(right);
    expect(await sum('repaired')).toBe(1);
    const query = { tenant_id: 'acme', limit: 10 };
    const found = await store.list({ ...query, label: { key: 'team', value: 'ops' }, status: ['success'] });
    expect(found.runs.map(({ run_id }) => run_id)).toContain(address.run_id);
    expect((await store.list({ ...query, label: { key: 'team', value: 'red' } })).runs).toEqual([]);
  });

  it('bring a view forward that was left behind, once', async () => {
    const [address, right] = await spoiled(async (one) => {
      const first = { ...one, seq: 1, status: 'queued' as const };
      await store.replace(first, one);
    });
    await waitFor(async () => (await view(address))?.seq === right.seq, {
      timeoutMs: 30_000,
      describe: 'the view to be brought forward',
    });
    await comparedByAll(3);
    expect(await view(address)).toEqual(right);
    expect((await sum('repaired')) + (await sum('behind'))).toBe(1);
  });

  it('find a view that is missing, once', async () => {
    const [address, right] = await spoiled((one) => store.remove(one.tenant_id, one.run_id));
    await waitFor(async () => (await view(address)) !== undefined, {
      timeoutMs: 30_000,
      describe: 'the missing view',
    });
    await comparedByAll(3);
    expect(await view(address)).toEqual(right);
    expect(await sum('missing')).toBe(1);
  });

  it('take away what is left of a run that was erased', async () => {
    await startReplicas(3);
    const address = await endedRun();
    const right = await seen(address);
    const tombstone = tombstoneFor(
      {},
      {
        erased_by: 'ada',
        reason: 'requested',
        requested_at: new Date().toISOString(),
      },
    );
    await new Tombstones(cell.broker).put(address, tombstone, 0);
    await waitFor(async () => (await view(address)) === undefined, { describe: 'the erasure' });
    await waitFor(async () => store.put(right, 0), { describe: 'the leftover' });
    await waitFor(async () => (await sum('leftover')) > 0, { timeoutMs: 30_000, describe: 'the sweep' });
    expect(await view(address)).toBeUndefined();
  });

  it('leave views alone that are as the log says, while runs go on', async () => {
    await startReplicas(3);
    const busy = await startRun(cell.log, 'acme');
    await cell.log.execute(busy, () => begin());
    for (let index = 1; index <= 30; index += 1)
      await cell.log.execute(busy, (run) => progress(run, logged(index)));
    await seen(busy);
    await comparedByAll(6);
    expect([await sum('repaired'), await sum('missing'), await sum('failed')]).toEqual([0, 0, 0]);
  });
});
