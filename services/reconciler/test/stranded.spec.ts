import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RunAddress } from '@runledger/run-log';
import { waitFor } from '@runledger/testkit';
import { openViewStore, type ViewStore } from '@runledger/view-store';
import { admissionKey, bucketSubject, decodeWork, encodeWork, SLOTS_KEY, workSubject } from '@runledger/wire';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { rebuildViews } from '../src/rebuild-views.ts';
import { readStrandedSettings } from '../src/sweeps/stranded-settings.ts';
import { sweepStranded, type Outcome, type StrandedParts, type SweepTotals } from '../src/sweeps/stranded.ts';
import { SweepTimer } from '../src/sweeps/sweep-timer.ts';
import { WorkQueue } from '../src/sweeps/work-queue.ts';
import { Cell } from './reconciler-service.ts';
import { begin, logged, progress, startRun, succeed } from './sample-runs.ts';

let cell: Cell;
let store: ViewStore;
let tenant = 0;
let logLines: { event: string; run_id?: string }[];

beforeAll(async () => {
  cell = await Cell.start();
  store = await openViewStore(cell.settings());
});
afterAll(async () => {
  await store.close();
  await cell.stop();
});
beforeEach(async () => {
  tenant += 1;
  logLines = [];
  await store.clear();
});

const subjectOf = ({ tenant_id: tenantId, run_id: runId }: RunAddress) =>
  workSubject('default', tenantId, runId);

async function queued(address: RunAddress): Promise<number | undefined> {
  const jsm = await cell.broker.jsm();
  const message = await jsm.streams.getMessage('WORK', { last_by_subj: subjectOf(address) });
  return message === null ? undefined : decodeWork(message.string()).dispatch;
}

function parts(counted: Outcome[] = []): StrandedParts {
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      logLines.push(JSON.parse(chunk.toString()) as { event: string });
      done();
    },
  });
  return {
    store,
    runLog: cell.log,
    queue: new WorkQueue(cell.broker),
    logger: pino({ level: 'debug' }, stream),
    count: (outcome) => counted.push(outcome),
  };
}

/** A minute after everything that was recorded. */
const sweep = (of = parts(), idleMs = 30_000): Promise<SweepTotals> =>
  sweepStranded(of, { idleMs, now: Date.now() + 60_000 });

async function runningRun(): Promise<RunAddress> {
  const address = await startRun(cell.log, `t${tenant}`);
  await cell.log.execute(address, () => begin());
  return address;
}

async function admit(address: RunAddress, state: 'queued' | 'granted', dispatch: number): Promise<void> {
  const entry = { run_id: address.run_id, dispatch };
  const key = state === 'granted' ? SLOTS_KEY : admissionKey(address.tenant_id, address.run_id);
  const value = state === 'granted' ? { number: 1, granted: [entry], released: [] } : entry;
  await cell.broker.js.publish(bucketSubject('admission', key), JSON.stringify(value));
}

const project = () =>
  rebuildViews({
    runLog: {
      scan: () => ownScan(),
      page: cell.log.page.bind(cell.log),
      isErased: cell.log.isErased.bind(cell.log),
    },
    store,
  });

/** The log of this spec's tenant alone: the runs of the specs before it are not its suspects. */
async function* ownScan(): ReturnType<typeof cell.log.scan> {
  for await (const commit of cell.log.scan()) if (commit.address.tenant_id === `t${tenant}`) yield commit;
}

describe('a sweep for stranded runs', () => {
  it('puts a running run without a message back on the queue, for the grant that it has', async () => {
    const address = await runningRun();
    await project();
    expect(await sweep()).toMatchObject({ looked_at: 1, rescued: 1, failed: 0 });
    expect(await queued(address)).toBe(1);
    expect(logLines).toContainEqual(
      expect.objectContaining({
        event: 'reconciler.stranded.rescued',
        ...address,
        status: 'running',
        dispatch: 1,
        executor: 'executor-1',
      }),
    );
    expect(logLines).toContainEqual(
      expect.objectContaining({ event: 'reconciler.stranded.swept', rescued: 1 }),
    );
  });

  it('by many replicas at once rescues each run exactly once', async () => {
    const addresses = await Promise.all(Array.from({ length: 12 }, () => runningRun()));
    await project();
    const counted: Outcome[] = [];
    const totals = await Promise.all(Array.from({ length: 4 }, () => sweep(parts(counted))));
    expect(totals.reduce((sum, { rescued }) => sum + rescued, 0)).toBe(12);
    expect(totals.reduce((sum, { outstanding }) => sum + outstanding, 0)).toBe(36);
    expect(counted.filter((outcome) => outcome === 'rescued')).toHaveLength(12);
    for (const address of addresses) {
      expect(await queued(address)).toBe(1);
      expect(
        logLines.filter(
          ({ event, run_id: runId }) => event === 'reconciler.stranded.rescued' && runId === address.run_id,
        ),
      ).toHaveLength(1);
    }
    expect(await sweep()).toMatchObject({ rescued: 0, outstanding: 12 });
  });

  it('leaves a run alone that has its message, in whatever hands', async () => {
    const address = await runningRun();
    await cell.broker.js.publish(subjectOf(address), encodeWork({ dispatch: 7 }));
    await project();
    expect(await sweep()).toMatchObject({ looked_at: 1, outstanding: 1, rescued: 0 });
    expect(await queued(address)).toBe(7);
  });

  it('puts back a granted run that waits for its start, and not one that waits for a slot', async () => {
    const [granted, waiting, unknown] = [
      await startRun(cell.log, `t${tenant}`),
      await startRun(cell.log, `t${tenant}`),
      await startRun(cell.log, `t${tenant}`),
    ];
    await admit(granted, 'granted', 1);
    await admit(waiting, 'queued', 1);
    await project();
    expect(await sweep()).toMatchObject({ looked_at: 3, rescued: 1, waiting: 1, asked: 1 });
    expect(await sweep()).toMatchObject({ rescued: 0, asked: 0, unadmitted: 1 });
    expect([await queued(granted), await queued(waiting), await queued(unknown)]).toEqual([
      1,
      undefined,
      undefined,
    ]);
  });

  it('puts back a run that is being stopped by a holder that is gone', async () => {
    const address = await runningRun();
    await cell.log.execute(address, () => ({
      type: 'RequestStop',
      by: { user_id: 'ada', channel: 'cli' },
      mode: 'cooperative',
      reason: 'x',
    }));
    await project();
    expect(await sweep()).toMatchObject({ rescued: 1 });
    expect(await queued(address)).toBe(1);
  });

  it('leaves a run alone that has gone on, or ended, since its view', async () => {
    const [went, ended] = [await runningRun(), await runningRun()];
    await project();
    await cell.log.execute(went, (run) => progress(run, logged(1)));
    await cell.log.execute(ended, succeed);
    expect(await sweep()).toMatchObject({ looked_at: 2, advanced: 2, rescued: 0 });
    expect(await queued(went)).toBeUndefined();
    expect(await queued(ended)).toBeUndefined();
    expect(
      logLines.filter(({ event }) => event === 'reconciler.stranded.advanced_during_reconcile'),
    ).toHaveLength(2);
  });

  it('does not look at runs that were busy a moment ago, parked or ended', async () => {
    const [parked, ended] = [await runningRun(), await runningRun(), await runningRun()];
    await cell.log.execute(parked, (run) => ({
      type: 'ParkRun',
      held_by: { executor: 'executor-1', attempt: run.attempt },
      reason: 'handover',
      detail: '',
    }));
    await cell.log.execute(ended, succeed);
    await project();
    expect(await sweep(parts(), 120_000)).toMatchObject({ looked_at: 0 });
    expect(await sweep()).toMatchObject({ looked_at: 1, rescued: 1 });
  });

  it('goes on after one that it could not look at, and says so', async () => {
    const [broken, fine] = [await runningRun(), await runningRun()];
    await project();
    const of = parts();
    const load: StrandedParts['runLog']['load'] = async (address) => {
      if (address.run_id === broken.run_id) throw new Error('no answer');
      return cell.log.load(address);
    };
    expect(await sweep({ ...of, runLog: { load } })).toMatchObject({ looked_at: 2, failed: 1, rescued: 1 });
    expect(await queued(fine)).toBe(1);
    expect(logLines).toContainEqual(
      expect.objectContaining({ event: 'reconciler.stranded.partial_failure', failed: 1 }),
    );
    expect(await sweep({ ...of, runLog: { load } })).toMatchObject({ failed: 1, outstanding: 1 });
    expect(logLines).toContainEqual(
      expect.objectContaining({ event: 'reconciler.stranded.total_failure', failed: 1 }),
    );
  });

  it('does not throw when the views are away', async () => {
    const closed = await openViewStore(cell.settings());
    await closed.close();
    expect(await sweep({ ...parts(), store: closed })).toMatchObject({ looked_at: 0 });
    expect(logLines).toEqual([expect.objectContaining({ event: 'reconciler.stranded.total_failure' })]);
  });
});

describe('the timer of a sweep', () => {
  it('repeats until it is stopped, and stops after the sweep that runs', async () => {
    let sweeps = 0;
    let running = false;
    const timer = new SweepTimer(5, async () => {
      running = true;
      await new Promise((resolve) => setImmediate(resolve));
      sweeps += 1;
      running = false;
    });
    timer.start();
    await waitFor(() => sweeps >= 3, { describe: 'no third sweep' });
    await timer.stop();
    expect(running).toBe(false);
  });
});

describe('its settings', () => {
  it('have defaults that grow with the lease, and refuse what is no number of seconds', () => {
    expect(readStrandedSettings(15, {})).toEqual({ sweepMs: 30_000, idleMs: 60_000 });
    expect(readStrandedSettings(60, {})).toEqual({ sweepMs: 30_000, idleMs: 240_000 });
    expect(
      readStrandedSettings(15, { RUNLEDGER_STRANDED_SWEEP_S: '5', RUNLEDGER_STRANDED_AFTER_S: '7' }),
    ).toEqual({ sweepMs: 5_000, idleMs: 7_000 });
    for (const wrong of ['0', '-1', 'soon', '1.5', '86401'])
      expect(() => readStrandedSettings(15, { RUNLEDGER_STRANDED_SWEEP_S: wrong })).toThrow(
        'RUNLEDGER_STRANDED_SWEEP_S',
      );
  });
});
