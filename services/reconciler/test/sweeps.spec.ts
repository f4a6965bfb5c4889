import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Command, DraftEvent, Run } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import type { RunningService } from '@runledger/service-host';
import { waitFor } from '@runledger/testkit';
import { decodeEvent, tombstoneFor } from '@runledger/wire';
import { Tombstones } from '../src/erasure/tombstones.ts';
import { readUpkeepSettings } from '../src/sweeps/upkeep-settings.ts';
import { Cell, isReady } from './reconciler-service.ts';
import { begin, newAddress, progress, startRun, succeed } from './sample-runs.ts';

const ADA = { user_id: 'ada', channel: 'cli' } as const;
const FAST = { RUNLEDGER_SWEEP_S: '1', RUNLEDGER_SWEEP_AFTER_S: '1', RUNLEDGER_STOP_GRACE_S: '2' };
const STOP: Command = { type: 'RequestStop', by: ADA, mode: 'cooperative', reason: 'enough' };

let cell: Cell;
let replicas: RunningService[] = [];

beforeAll(async () => {
  // As a service alone reads them: from its process.
  Object.assign(process.env, FAST);
  cell = await Cell.start();
});
afterEach(async () => {
  await Promise.all(replicas.splice(0).map((replica) => replica.close()));
});
afterAll(async () => {
  for (const name of Object.keys(FAST)) delete process.env[name];
  await cell.stop();
});

/** Three services on one broker and one store, as fast as they may be. */
async function threeReplicas(): Promise<void> {
  replicas = await Promise.all([1, 2, 3].map(() => cell.reconciler()));
  await waitFor(async () => (await Promise.all(replicas.map(isReady))).every(Boolean), {
    describe: 'three reconcilers that are ready',
  });
}

/** Some more looks by every replica: whoever comes second has had its chance. */
async function sweptByAll(sweep: string): Promise<void> {
  const looked = (): Promise<number[]> => Promise.all(replicas.map((replica) => suspects(replica, sweep)));
  const before = await looked();
  await waitFor(async () => (await looked()).every((count, at) => count >= (before[at] ?? 0) + 4), {
    timeoutMs: 30_000,
    describe: `four more looks of each replica for ${sweep}`,
  });
}

async function suspects({ opsUrl }: RunningService, sweep: string, outcome = '[a-z_]+'): Promise<number> {
  const text = await (await fetch(`${opsUrl}/metrics`)).text();
  const line = new RegExp(
    `runledger_sweep_suspects_total\\{[^}]*sweep="${sweep}",outcome="${outcome}"[^}]*\\} (\\d+)`,
    'g',
  );
  return [...text.matchAll(line)].reduce((sum, [, count]) => sum + Number(count), 0);
}

const effects = async (sweep: string, outcome: string): Promise<number> =>
  (await Promise.all(replicas.map((replica) => suspects(replica, sweep, outcome)))).reduce(
    (a, b) => a + b,
    0,
  );

/** So many effects of all replicas together, and no more. */
async function untilEffects(sweep: string, outcome: string, count: number): Promise<void> {
  await waitFor(async () => (await effects(sweep, outcome)) >= count, { describe: `${sweep}: ${outcome}` });
  expect(await effects(sweep, outcome)).toBe(count);
}

const run = async (address: RunAddress): Promise<Run> => (await cell.log.load(address)).run;

async function types(address: RunAddress): Promise<string[]> {
  return (await cell.log.page(address, 0, 1_000)).lines.map((line) => line.type);
}

async function data(address: RunAddress, type: string): Promise<unknown[]> {
  const { lines } = await cell.log.page(address, 0, 1_000);
  return lines.filter((line) => line.type === type).map(({ line }) => decodeEvent(line).data);
}

const until = (address: RunAddress, status: Run['status']): Promise<unknown> =>
  waitFor(async () => (await run(address)).status === status, {
    timeoutMs: 30_000,
    describe: `the run to be ${status}`,
  });

const accepted = async (address: RunAddress, command: (run: Run) => Command): Promise<void> => {
  const { refusal } = await cell.log.execute(address, command);
  expect(refusal).toBeUndefined();
};

const spawned = (child: RunAddress): DraftEvent => ({
  type: 'child.spawned',
  data: {
    call_id: `call-${child.run_id}`,
    index: 1,
    child_run_id: child.run_id,
    agent_id: 'ticker',
    input: { n: 1 },
  },
});

const park =
  (reason: 'children' | 'handover') =>
  (now: Run): Command => ({
    type: 'ParkRun',
    held_by: { executor: 'executor-1', attempt: now.attempt },
    reason,
    detail: '',
  });

/** A parent in its holder's hands, and a child that it has on record; created, unless it is to be absent. */
async function family(absent = false): Promise<{ parent: RunAddress; child: RunAddress }> {
  const parent = await startRun(cell.log, 'acme');
  await accepted(parent, () => begin());
  const child = absent ? newAddress('acme') : await childOf(parent);
  await accepted(parent, (now) => progress(now, spawned(child)));
  return { parent, child };
}

const childOf = (parent: RunAddress): Promise<RunAddress> =>
  startRun(cell.log, 'acme', {
    channel: 'agent',
    parent: { run_id: parent.run_id, call_id: 'c' },
    root_run_id: parent.run_id,
    depth: 1,
  });

describe('three reconcilers at once', () => {
  it('carry a stop on to a child that it has not reached, and its end back, once', async () => {
    const { parent, child } = await family();
    await accepted(parent, park('children'));
    await accepted(parent, () => STOP);
    await threeReplicas();
    await until(parent, 'stopped');
    expect(await types(child)).toEqual(['run.requested', 'stop.requested', 'stop.observed', 'run.stopped']);
    expect(await data(child, 'stop.requested')).toEqual([
      { by: ADA, mode: 'cooperative', reason: 'enough', cascade_from: parent.run_id },
    ]);
    expect((await types(parent)).slice(-4)).toEqual([
      'stop.requested',
      'stop.observed',
      'child.ended',
      'run.stopped',
    ]);
    // Asked, and its end told.
    expect(await effects('overdue_stops', 'pushed')).toBeGreaterThanOrEqual(1);
  });

  it('ask for a kill, once, when a holder does not observe a stop within its grace, and not of one that did', async () => {
    const [deaf, hearing] = [await startRun(cell.log, 'acme'), await startRun(cell.log, 'acme')];
    for (const address of [deaf, hearing]) {
      await accepted(address, () => begin());
      await accepted(address, () => STOP);
    }
    await accepted(hearing, (now) => ({
      type: 'ObserveStop',
      held_by: { executor: 'executor-1', attempt: now.attempt },
      boundary: 'turn 1',
      in_flight: [],
      latency_ms: 1,
    }));
    await threeReplicas();
    await waitFor(async () => (await run(deaf)).stop?.mode === 'kill', {
      timeoutMs: 30_000,
      describe: 'the kill',
    });
    await sweptByAll('overdue_stops');
    expect((await types(deaf)).filter((type) => type === 'stop.requested')).toHaveLength(2);
    expect((await types(hearing)).filter((type) => type === 'stop.requested')).toHaveLength(1);
    await untilEffects('overdue_stops', 'escalated', 1);
  });

  it('tell a run that waits of a child that has ended, once, and it goes on with its result', async () => {
    const { parent, child } = await family();
    await accepted(parent, park('children'));
    await accepted(child, () => begin());
    await accepted(child, (now) => succeed(now, { n: 2 }));
    await threeReplicas();
    await until(parent, 'queued');
    expect(await data(parent, 'child.ended')).toEqual([
      { child_run_id: child.run_id, status: 'success', result: { n: 2 } },
    ]);
    expect((await types(parent)).slice(-2)).toEqual(['child.ended', 'run.unparked']);
    await untilEffects('children', 'told', 1);
  });

  it('let a run go on that waits for a child which was never created, and whose creation would come too late', async () => {
    const { parent, child } = await family(true);
    await accepted(parent, park('children'));
    await threeReplicas();
    await until(parent, 'queued');
    expect(await data(parent, 'child.ended')).toEqual([{ child_run_id: child.run_id, status: 'stopped' }]);
    expect(await types(child)).toEqual(['run.requested', 'stop.requested', 'stop.observed', 'run.stopped']);
    expect(await run(child)).toMatchObject({ stop_observed: { boundary: 'absent' }, depth: 1 });
    expect((await data(child, 'run.requested'))[0]).toMatchObject({ input: { n: 1 }, agent_id: 'ticker' });
    await untilEffects('children', 'told', 1);
  });

  it('let a run go on that was not told of the end of a child before that was erased', async () => {
    const { parent, child } = await family();
    await accepted(parent, park('children'));
    await accepted(child, () => begin());
    await accepted(child, (now) => succeed(now));
    const tombstone = tombstoneFor(
      {},
      { erased_by: 'ada', reason: 'requested', requested_at: new Date().toISOString() },
    );
    const tombstones = new Tombstones(cell.broker);
    await tombstones.put(child, tombstone, 0);
    // One that erases, and is too slow to sweep.
    process.env.RUNLEDGER_SWEEP_S = '3600';
    const eraser = await cell.reconciler();
    process.env.RUNLEDGER_SWEEP_S = FAST.RUNLEDGER_SWEEP_S;
    await waitFor(async () => (await tombstones.get(child))?.tombstone.done_at, {
      timeoutMs: 60_000,
      describe: 'the child to be erased',
    });
    await eraser.close();
    expect((await run(parent)).status).toBe('waiting');
    await threeReplicas();
    await until(parent, 'queued');
    expect(await data(parent, 'child.ended')).toEqual([
      {
        child_run_id: child.run_id,
        status: 'error',
        error: expect.objectContaining({ code: 'child_erased', retryable: false }),
      },
    ]);
    await untilEffects('children', 'told', 1);
  });

  it('leave a child alone that its running parent may be about to create, or that is at work', async () => {
    const running = await family(true);
    const waiting = await family();
    await accepted(waiting.parent, park('children'));
    await accepted(waiting.child, () => begin());
    await threeReplicas();
    await sweptByAll('children');
    expect(await types(running.child)).toEqual([]);
    expect((await run(running.parent)).status).toBe('running');
    expect((await run(waiting.parent)).status).toBe('waiting');
    expect(await effects('children', 'told')).toBe(0);
  });

  it('stop a child whose parent has ended, once, and none whose parent is open', async () => {
    const { parent, child } = await family();
    const other = await family();
    await accepted(child, () => begin());
    await accepted(parent, (now) => succeed(now));
    await threeReplicas();
    await until(child, 'stopping');
    await sweptByAll('orphans');
    expect(await data(child, 'stop.requested')).toEqual([
      {
        by: { user_id: 'ada', channel: 'agent' },
        mode: 'cooperative',
        reason: 'the run that called it has ended: success',
        cascade_from: parent.run_id,
      },
    ]);
    expect((await run(other.child)).stop).toBeNull();
    await untilEffects('orphans', 'stopped', 1);
  });

  it('end a run whose time is over while nobody holds it, and fire a retry that is long due, once each', async () => {
    const none = { max_turns: null, max_cost_usd: null };
    const late = await startRun(cell.log, 'acme', { limits: { ...none, timeout_s: 1, max_attempts: 1 } });
    const again = await startRun(cell.log, 'acme');
    const inTime = await startRun(cell.log, 'acme', {
      limits: { ...none, timeout_s: 3_600, max_attempts: 1 },
    });
    await accepted(again, () => begin());
    await accepted(again, (now) => ({
      type: 'ScheduleRetry',
      held_by: { executor: 'executor-1', attempt: now.attempt },
      error: { code: 'flaky', detail: 'once more' },
      timer: { timer_id: 't1', due_at: new Date().toISOString() },
    }));
    await threeReplicas();
    await until(late, 'error');
    await until(again, 'queued');
    await sweptByAll('expired');
    expect((await data(late, 'run.failed'))[0]).toMatchObject({ error: { code: 'timeout' } });
    expect((await types(again)).filter((type) => type === 'run.unparked')).toHaveLength(1);
    expect((await run(inTime)).status).toBe('queued');
    await untilEffects('expired', 'timed_out', 1);
    await untilEffects('expired', 'retried', 1);
  });

  it('queue a handed over run again that no scheduler has taken up, once', async () => {
    const address = await startRun(cell.log, 'acme');
    await accepted(address, () => begin());
    await accepted(address, park('handover'));
    await threeReplicas();
    await until(address, 'queued');
    await sweptByAll('expired');
    expect((await types(address)).filter((type) => type === 'run.unparked')).toHaveLength(1);
    await untilEffects('expired', 'handed_over', 1);
  });
});

describe('the settings of the sweeps', () => {
  it('have defaults, and refuse what is no whole number in its range by its name', () => {
    expect(readUpkeepSettings({})).toEqual({
      sweepMs: 30_000,
      afterMs: 60_000,
      stopGraceMs: 300_000,
      driftSweepMs: 60_000,
      driftSample: 100,
    });
    expect(readUpkeepSettings({ RUNLEDGER_STOP_GRACE_S: '0', RUNLEDGER_DRIFT_SAMPLE: '0' })).toMatchObject({
      stopGraceMs: 0,
      driftSample: 0,
    });
    for (const [name, value] of [
      ['RUNLEDGER_SWEEP_S', '0'],
      ['RUNLEDGER_SWEEP_AFTER_S', 'soon'],
      ['RUNLEDGER_STOP_GRACE_S', '-1'],
      ['RUNLEDGER_DRIFT_SWEEP_S', '86401'],
      ['RUNLEDGER_DRIFT_SAMPLE', '1.5'],
    ] as const)
      expect(() => readUpkeepSettings({ [name]: value })).toThrow(name);
  });
});
