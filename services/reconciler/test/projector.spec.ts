import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryRunLog, type RunAddress, type RunLog } from '@runledger/run-log';
import { foldView, type RunView } from '@runledger/run-views';
import { temporaryFolder, type TemporaryFolder } from '@runledger/testkit';
import { openViewStore, type ViewStore } from '@runledger/view-store';
import { decodeEvent } from '@runledger/wire';
import { rebuildViews } from '../src/rebuild-views.ts';
import { ViewProjector, type FoldableCommit } from '../src/views/projector.ts';
import {
  begin,
  logged,
  newAddress,
  numbers,
  progress,
  randomRun,
  startCommand,
  startRun,
  succeed,
} from './sample-runs.ts';

let folder: TemporaryFolder;
let store: ViewStore;
let log: RunLog;

beforeAll(async () => {
  folder = await temporaryFolder();
  store = await openViewStore({ home: folder.path });
});
afterAll(async () => {
  await store.close();
  await folder.remove();
});
beforeEach(async () => {
  log = new MemoryRunLog({ writer: 'spec/1' });
  await store.clear();
});

async function commitsOf(address: RunAddress): Promise<FoldableCommit[]> {
  const commits: FoldableCommit[] = [];
  for await (const { address: of, first, last, digest, lines } of log.scan())
    if (of.run_id === address.run_id)
      commits.push({ first, last, digest, events: lines.map(({ line }) => decodeEvent(line)) });
  return commits;
}

/** What the whole log folds to. */
async function expectedView(address: RunAddress): Promise<RunView | undefined> {
  const { lines, last_seq: last, digest } = await log.page(address, 0, 100_000);
  return lines.reduce<RunView | undefined>(
    (view, { seq, line }) => foldView(view, decodeEvent(line), seq === last ? digest : ''),
    undefined,
  );
}

async function aRun(): Promise<RunAddress> {
  const address = await startRun(log, 'acme');
  await log.execute(address, () => begin());
  await log.execute(address, (run) => progress(run, logged(1), logged(2)));
  await log.execute(address, succeed);
  return address;
}

const stored = (address: RunAddress) => store.get(address.tenant_id, address.run_id);

describe('a projector', () => {
  it('applies what comes next and skips what the view holds', async () => {
    const address = await aRun();
    const projector = new ViewProjector(log, store);
    const commits = await commitsOf(address);
    for (const commit of commits) expect(await projector.advance(address, [commit])).toBe('applied');
    for (const commit of commits) expect(await projector.advance(address, [commit])).toBe('held');
    expect(await stored(address)).toEqual(await expectedView(address));
    expect((await stored(address))?.status).toBe('success');
  });

  it('reads from the log what is missing before a commit', async () => {
    const address = await aRun();
    const [first, , third, last] = await commitsOf(address);
    const projector = new ViewProjector(log, store);
    expect(await projector.advance(address, [first as FoldableCommit])).toBe('applied');
    expect(await projector.advance(address, [third as FoldableCommit])).toBe('refolded');
    expect(await stored(address)).toEqual(await expectedView(address));
    expect(await projector.advance(address, [last as FoldableCommit])).toBe('held');
  });

  it('makes a view that was lost again from the log', async () => {
    const address = await aRun();
    const commits = await commitsOf(address);
    const projector = new ViewProjector(log, store);
    await projector.advance(address, commits.slice(0, 2));
    await store.clear();
    expect(await projector.advance(address, commits.slice(2))).toBe('refolded');
    expect(await stored(address)).toEqual(await expectedView(address));
  });

  it('fills a hole of many pages', async () => {
    const address = await startRun(log, 'acme');
    await log.execute(address, () => begin());
    for (let at = 0; at < 3; at += 1)
      await log.execute(address, (run) =>
        progress(run, ...Array.from({ length: 800 }, (_, i) => logged(at * 800 + i))),
      );
    const last = (await commitsOf(address)).at(-1) as FoldableCommit;
    expect(await new ViewProjector(log, store).advance(address, [last])).toBe('refolded');
    expect(await stored(address)).toEqual(await expectedView(address));
    expect((await stored(address))?.digest).toBe((await log.load(address)).digest);
  });

  it('comes to the same view with two writers that know nothing of each other', async () => {
    const addresses = await Promise.all(
      Array.from({ length: 20 }, (_, seed) => randomRun(log, 'acme', numbers(seed), 30)),
    );
    const projectors = [new ViewProjector(log, store), new ViewProjector(log, store)];
    const next = numbers(7);
    for (const address of addresses) {
      const commits = await commitsOf(address);
      await Promise.all(
        projectors.map(async (projector) => {
          for (let at = 0; at < commits.length; at += 1)
            if (next(4)) await projector.advance(address, [commits[at] as FoldableCommit]);
        }),
      );
      await projectors[0]?.advance(address, commits.slice(-1));
      expect(await stored(address)).toEqual(await expectedView(address));
    }
  });

  it('leaves a run alone that the log no longer has', async () => {
    const address = await aRun();
    const last = (await commitsOf(address)).at(-1) as FoldableCommit;
    const elsewhere = { ...newAddress('acme') };
    expect(await new ViewProjector(log, store).advance(elsewhere, [last])).toBe('held');
    expect(await stored(elsewhere)).toBeUndefined();
  });

  it('refuses a request that names another run or tenant than its subject', async () => {
    const address = newAddress('acme');
    const other = { ...address, tenant_id: 'zeta' };
    await log.completeStart(log.prepareStart(startCommand(other), address));
    await expect(
      new ViewProjector(log, store).advance(address, await commitsOf(address)),
    ).rejects.toMatchObject({ kind: 'poison', code: 'foreign_request' });
    expect(await stored(address)).toBeUndefined();
  });
});

describe('a rebuild', () => {
  it('makes every view from nothing, and says how many', async () => {
    const addresses = await Promise.all(
      Array.from({ length: 60 }, (_, seed) => randomRun(log, `tenant-${seed % 3}`, numbers(seed + 100), 25)),
    );
    await store.put(
      { ...((await expectedView(addresses[0] as RunAddress)) as RunView), run_id: newAddress('x').run_id },
      0,
    );
    const rebuilt = await rebuildViews({ runLog: log, store });
    for (const address of addresses) expect(await stored(address)).toEqual(await expectedView(address));
    expect(rebuilt.runs).toBe(60);
    expect(rebuilt.events).toBe(
      (await Promise.all(addresses.map(stored))).reduce((sum, view) => sum + (view?.seq ?? 0), 0),
    );
    expect((await store.list({ tenant_id: 'tenant-0', limit: 100 })).runs).toHaveLength(20);
    expect(await store.needsRebuild()).toBe(false);
  });

  it('that keeps what is there writes only what is missing', async () => {
    const [kept, lost] = [await aRun(), await aRun()];
    await rebuildViews({ runLog: log, store });
    await store.remove(lost.tenant_id, lost.run_id);
    await rebuildViews({ runLog: log, store }, { keep: true });
    for (const address of [kept, lost]) expect(await stored(address)).toEqual(await expectedView(address));
  });

  it('may run beside a projector that goes on', async () => {
    const addresses = await Promise.all(
      Array.from({ length: 20 }, (_, seed) => randomRun(log, 'acme', numbers(seed + 300), 25)),
    );
    const projector = new ViewProjector(log, store);
    const beside = Promise.all(
      addresses.map(async (address) => {
        for (const commit of await commitsOf(address)) await projector.advance(address, [commit]);
      }),
    );
    await Promise.all([beside, rebuildViews({ runLog: log, store })]);
    for (const address of addresses) expect(await stored(address)).toEqual(await expectedView(address));
  });

  it('stops when it is told to, and stays due', async () => {
    await aRun();
    await expect(
      rebuildViews({ runLog: log, store }, { keep: true, signal: AbortSignal.abort(new Error('enough')) }),
    ).rejects.toThrow('enough');
    expect(await store.needsRebuild()).toBe(true);
  });
});
