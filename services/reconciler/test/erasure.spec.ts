import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { KEEP } from '@runledger/nest-jetstream';
import { RunErased, type RunAddress } from '@runledger/run-log';
import { waitFor } from '@runledger/testkit';
import { openViewStore, type ViewStore } from '@runledger/view-store';
import {
  admissionKey,
  bucketSubject,
  decodeEvent,
  deadSubject,
  runSubject,
  SLOTS_KEY,
} from '@runledger/wire';
import { pino } from 'pino';
import { ERASE_STEPS, type EraseStep } from '../src/erasure/erase-run.ts';
import { Eraser, LATE_WRITERS_MS, type EraserParts } from '../src/erasure/eraser.ts';
import { Tombstones } from '../src/erasure/tombstones.ts';
import { rebuildViews } from '../src/rebuild-views.ts';
import { ViewProjector, type FoldableCommit } from '../src/views/projector.ts';
import { erasableRun, filesWith, tombstoneOf, type ErasableRun } from './erasable-run.ts';
import { Cell } from './reconciler-service.ts';
import { newAddress, startCommand } from './sample-runs.ts';

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
beforeEach(() => {
  tenant += 1;
});

const eraser = (more: Partial<EraserParts> = {}): Eraser =>
  new Eraser({
    broker: cell.broker,
    store,
    tombstones,
    logger: pino({ level: 'silent' }),
    count: () => undefined,
    ...more,
  });
const project = () => rebuildViews({ runLog: cell.log, store }, { keep: true });
const bytesOf = ({ canary }: ErasableRun) => filesWith(canary, cell.server.storeDir, cell.home.path);

async function projected(): Promise<ErasableRun> {
  const run = await erasableRun(cell, `t${tenant}`);
  await project();
  return run;
}

/** Everything that a reader could meet of the run. */
async function leftovers({ address, blob, canary }: ErasableRun): Promise<Record<string, unknown>> {
  const jsm = await cell.broker.jsm();
  return {
    last_seq: (await cell.log.page(address, 0, 0)).last_seq,
    view: await store.get(address.tenant_id, address.run_id),
    blob: await cell.log.getBlob(address, blob),
    env: await jsm.streams.getMessage('KV_run-env', {
      last_by_subj: bucketSubject('run-env', admissionKey(address.tenant_id, address.run_id)),
    }),
    files: await filesWith(canary, cell.server.storeDir, cell.home.path),
  };
}

const NOTHING = { last_seq: 0, view: undefined, blob: undefined, env: null, files: [] };

async function firstCommit(address: RunAddress): Promise<FoldableCommit> {
  for await (const commit of cell.log.scan())
    if (commit.address.run_id === address.run_id)
      return { ...commit, events: commit.lines.map(({ line }) => decodeEvent(line)) };
  throw new Error('no commit');
}

describe('erasing a run', () => {
  it('leaves none of its bytes in the files of the broker and of the views, and its sibling as it was', async () => {
    const run = await projected();
    const sibling = await erasableRun(cell, `t${tenant}`);
    const before = await cell.log.page(sibling.address, 0, 1_000);
    expect((await bytesOf(run)).length).toBeGreaterThanOrEqual(6);

    await tombstones.put(run.address, tombstoneOf(run), 0);
    await eraser().handle(run.address);
    expect(await leftovers(run)).toEqual(NOTHING);
    const { tombstone } = (await tombstones.get(run.address)) ?? {};
    expect(Date.parse(tombstone?.done_at ?? '')).toBeGreaterThanOrEqual(
      Date.parse(tombstone?.requested_at ?? ''),
    );
    expect(await cell.log.page(sibling.address, 0, 1_000)).toEqual(before);
    expect(await cell.log.getBlob(sibling.address, sibling.blob)).toContain(sibling.canary);
    const jsm = await cell.broker.jsm();
    const letter = await jsm.streams.getMessage('DEAD', { last_by_subj: deadSubject('notifier', 'letters') });
    expect(letter?.string()).toContain(sibling.canary);
  });

  it.each(ERASE_STEPS)(
    'by a process that dies after the step %s is brought to the same end',
    async (last) => {
      const run = await projected();
      await tombstones.put(run.address, tombstoneOf(run), 0);
      const died: EraseStep[] = [];
      const dying = eraser({
        afterStep: (step) => {
          died.push(step);
          if (step === last) throw new Error('killed');
        },
      });
      await expect(dying.handle(run.address)).rejects.toThrow('killed');
      expect(died.at(-1)).toBe(last);
      expect((await tombstones.get(run.address))?.tombstone.done_at).toBeNull();
      await eraser().handle(run.address);
      expect(await leftovers(run)).toEqual(NOTHING);
      expect((await tombstones.get(run.address))?.tombstone.done_at).not.toBeNull();
    },
  );

  it('that stopped between two commits serves none of the rest to anybody, and gets no view', async () => {
    const run = await projected();
    const jsm = await cell.broker.jsm();
    await tombstones.put(run.address, tombstoneOf(run), 0);
    const subject = runSubject(run.address.tenant_id, run.address.run_id);
    for (let left = 2; left > 0; left -= 1) {
      const query = { seq: 1, next_by_subj: subject } as unknown as { seq: number };
      const message = await jsm.streams.getMessage('RUNS', query);
      await jsm.streams.deleteMessage('RUNS', message?.seq ?? 0, true);
    }
    await expect(cell.log.page(run.address, 0, 100)).rejects.toThrow(RunErased);
    await expect(cell.log.follow(run.address, { after: 0 })[Symbol.asyncIterator]().next()).rejects.toThrow(
      RunErased,
    );
    await expect(cell.log.load(run.address)).rejects.toMatchObject({ kind: 'fault' });
    await store.remove(run.address.tenant_id, run.address.run_id);
    await project();
    expect(await store.get(run.address.tenant_id, run.address.run_id)).toBeUndefined();
    await eraser().handle(run.address);
    expect(await leftovers(run)).toEqual(NOTHING);
  });

  it('waits until the run has given its slot back', async () => {
    const run = await projected();
    const slots = { number: 1, granted: [{ run_id: run.address.run_id, dispatch: 1 }], released: [] };
    await cell.broker.js.publish(bucketSubject('admission', SLOTS_KEY), JSON.stringify(slots));
    await tombstones.put(run.address, tombstoneOf(run), 0);
    await expect(eraser().handle(run.address)).rejects.toMatchObject({ kind: 'fault' });
    expect((await cell.log.page(run.address, 0, 0)).last_seq).toBeGreaterThan(0);
  });

  it('by three replicas at once happens once and fails nobody', async () => {
    const runs = await Promise.all(Array.from({ length: 3 }, () => erasableRun(cell, `t${tenant}`)));
    await project();
    const counted: string[] = [];
    for (const run of runs) await tombstones.put(run.address, tombstoneOf(run), 0);
    const replicas = Array.from({ length: 3 }, () => eraser({ count: (reason) => counted.push(reason) }));
    await Promise.all(replicas.flatMap((replica) => runs.map((run) => replica.handle(run.address))));
    for (const run of runs) expect(await leftovers(run)).toEqual(NOTHING);
    expect(counted).toEqual(['requested', 'requested', 'requested']);
  });
});

describe('an erased run', () => {
  it('can not be created again, by a start that is completed late or by a command', async () => {
    const address = newAddress(`t${tenant}`);
    const start = cell.log.prepareStart(startCommand(address), address);
    const run = { address, canary: '', blob: '', idempotencyKey: '0'.repeat(64) };
    await tombstones.put(address, tombstoneOf(run), 0);
    await eraser().handle(address);
    await expect(cell.log.completeStart(start)).rejects.toThrow(RunErased);
    await expect(cell.log.execute(address, () => startCommand(address))).rejects.toThrow(RunErased);
    expect((await cell.log.page(address, 0, 0)).last_seq).toBe(0);
  });

  it('gets no view from a writer that is behind', async () => {
    const run = await projected();
    const commit = await firstCommit(run.address);
    await tombstones.put(run.address, tombstoneOf(run), 0);
    await eraser().handle(run.address);
    const behind = new ViewProjector(cell.log, store);
    expect(await behind.advance(run.address, [commit])).toBe('erased');
    expect(await store.get(run.address.tenant_id, run.address.run_id)).toBeUndefined();
    expect(await bytesOf(run)).toEqual([]);
  });

  it('is looked for once more when every late writer must have come, and what came is erased', async () => {
    const run = await projected();
    await tombstones.put(run.address, tombstoneOf(run), 0);
    await eraser().handle(run.address);
    expect(await eraser().handle(run.address)).toBe(KEEP);
    await cell.log.putBlob(run.address, JSON.stringify(run.canary.repeat(4_000)));
    expect((await bytesOf(run)).length).toBe(1);
    const later = eraser({ now: () => Date.now() + LATE_WRITERS_MS });
    expect(await later.handle(run.address)).toBeUndefined();
    expect(await bytesOf(run)).toEqual([]);
    expect((await tombstones.get(run.address))?.tombstone.confirmed_at).not.toBeNull();
    expect(await eraser().handle(run.address)).toBeUndefined();
  });

  it('keeps the record of a key that has started another run since', async () => {
    const run = await projected();
    const jsm = await cell.broker.jsm();
    const subject = bucketSubject('idempotency', run.idempotencyKey);
    const other = JSON.stringify({ run_id: newAddress('x').run_id, start: 'another' });
    await cell.broker.js.publish(subject, other);
    await tombstones.put(run.address, tombstoneOf(run), 0);
    await eraser().handle(run.address);
    expect((await jsm.streams.getMessage('KV_idempotency', { last_by_subj: subject }))?.string()).toBe(other);
  });
});

describe('three reconcilers', () => {
  it('erase what has a tombstone, each run once, within a minute', async () => {
    const runs = await Promise.all(Array.from({ length: 4 }, () => erasableRun(cell, `t${tenant}`)));
    const services = await Promise.all([cell.reconciler(), cell.reconciler(), cell.reconciler()]);
    try {
      for (const { address } of runs)
        await waitFor(
          async () => (await store.get(address.tenant_id, address.run_id))?.status === 'success',
          {
            describe: `a view of ${address.run_id}`,
          },
        );
      for (const run of runs) await tombstones.put(run.address, tombstoneOf(run), 0);
      for (const run of runs)
        await waitFor(async () => (await tombstones.get(run.address))?.tombstone.done_at, {
          timeoutMs: 60_000,
          describe: `${run.address.run_id} to be erased`,
        });
      for (const run of runs) expect(await leftovers(run)).toEqual(NOTHING);
      const metrics = await Promise.all(
        services.map(async ({ opsUrl }) => (await fetch(`${opsUrl}/metrics`)).text()),
      );
      const counts = metrics.flatMap((text) =>
        [...text.matchAll(/^runledger_runs_erased_total\{.*reason="requested".*\} (\d+)$/gm)].map(([, n]) =>
          Number(n),
        ),
      );
      // The runs of the specs before are done already, all but the one that kept its slot.
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(4);
    } finally {
      await Promise.all(services.map((service) => service.close()));
    }
  }, 120_000);
});
