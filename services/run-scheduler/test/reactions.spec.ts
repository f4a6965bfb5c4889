import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bootstrap, connectBroker, type Broker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { JetStreamRunLog, type RunAddress, type RunLog } from '@runledger/run-log';
import type { EventData, Run, Status } from '@runledger/run';
import { readSettings, startService, type RunningService } from '@runledger/service-host';
import {
  startBroker,
  temporaryFolder,
  waitFor,
  type TemporaryFolder,
  type TestBroker,
} from '@runledger/testkit';
import { encodeTombstone, erasedSubject, tombstoneFor } from '@runledger/wire';
import { ulid } from 'ulid';
import { someBegin, someone, someStart } from '../../../libs/run-log/test/samples.ts';
import { schedulerDefinition } from '../src/module.ts';

const tenant_id = 'local';
const held_by = { executor: 'executor-1', attempt: 1 };

/** The specs play gateway and executor; two schedulers do what follows. */
describe('what one run means for others', () => {
  let server: TestBroker;
  let broker: Broker;
  let log: RunLog;
  let home: TemporaryFolder;
  let schedulers: RunningService[];

  beforeAll(async () => {
    server = await startBroker();
    home = await temporaryFolder();
    broker = await connectBroker({ url: server.url, name: 'reaction specs' });
    await bootstrap(broker, LAYOUT);
    log = new JetStreamRunLog(broker, { writer: 'gateway/spec' });
    const settings = readSettings({
      RUNLEDGER_HOME: home.path,
      RUNLEDGER_NATS_URL: server.url,
      RUNLEDGER_LOG: 'silent',
    });
    schedulers = await Promise.all([
      startService(schedulerDefinition, settings),
      startService(schedulerDefinition, settings),
    ]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all(schedulers.map((scheduler) => scheduler.close()));
    await log.close();
    await broker.close();
    await server.stop();
    await home.remove();
  });

  const start = async (
    over: Partial<EventData['run.requested']> = {},
    run_id = ulid(),
  ): Promise<RunAddress> => {
    const address = { tenant_id, run_id };
    const command = someStart(address);
    await log.completeStart(
      log.prepareStart({ ...command, request: { ...command.request, ...over } }, address),
    );
    return address;
  };
  const state = async (address: RunAddress): Promise<Run> => (await log.load(address)).run;
  const until = (address: RunAddress, status: Status): Promise<Run> =>
    waitFor(async () => state(address).then((run) => run.status === status && run), {
      timeoutMs: 15_000,
      describe: `run to be ${status}`,
    });
  const spawn = async (parent: RunAddress, child_run_id: string): Promise<void> => {
    const data = { call_id: 'c0', index: 0, child_run_id, agent_id: 'ticker', input: { n: 1 } };
    const done = await log.execute(parent, () => ({
      type: 'RecordProgress',
      held_by,
      events: [{ type: 'child.spawned', data }],
    }));
    expect(done.refusal).toBeUndefined();
  };
  const family = async (): Promise<{ parent: RunAddress; child: RunAddress }> => {
    const parent = await start();
    await log.execute(parent, () => someBegin());
    const childId = ulid();
    await spawn(parent, childId);
    const child = await start(
      {
        parent: { run_id: parent.run_id, call_id: 'c0' },
        root_run_id: parent.run_id,
        depth: 1,
        channel: 'agent',
      },
      childId,
    );
    return { parent, child };
  };

  it("tells a parent of its child's end, and brings it back when that is what it waited for", async () => {
    const { parent, child } = await family();
    await log.execute(parent, () => ({ type: 'ParkRun', held_by, reason: 'children', detail: 'one child' }));
    await log.execute(child, () => someBegin());
    await log.execute(child, () => ({
      type: 'SucceedRun',
      held_by,
      result: { answer: 42 },
      schema_warnings: [],
    }));
    const run = await until(parent, 'queued');
    expect(run).toMatchObject({ dispatch: 2, children: [{ child_run_id: child.run_id, status: 'success' }] });
    const { lines } = await log.page(parent, 0, 100);
    expect(lines.map((line) => line.type).slice(-2)).toEqual(['child.ended', 'run.unparked']);
  });

  it('stops a whole family: the child that waits at once, the parent when its last child has ended', async () => {
    const { parent, child } = await family();
    await log.execute(parent, () => ({ type: 'ParkRun', held_by, reason: 'children', detail: 'one child' }));
    await log.execute(parent, () => ({
      type: 'RequestStop',
      by: someone,
      mode: 'cooperative',
      reason: 'enough',
    }));
    await until(child, 'stopped');
    expect(await until(parent, 'stopped')).toMatchObject({
      children: [{ status: 'stopped' }],
      stop_observed: { boundary: 'waiting:children', in_flight: [{ kind: 'agent' }] },
    });
    for (const address of [parent, child]) {
      const { lines } = await log.page(address, 0, 100);
      expect(lines.filter((line) => line.type === 'stop.observed')).toHaveLength(1);
    }
  });

  it('creates a child that was only listed as stopped, so that its late creation is refused', async () => {
    const parent = await start();
    await log.execute(parent, () => someBegin());
    const childId = ulid();
    await spawn(parent, childId);
    await log.execute(parent, () => ({
      type: 'RequestStop',
      by: someone,
      mode: 'cooperative',
      reason: 'enough',
    }));
    const child = { tenant_id, run_id: childId };
    await until(child, 'stopped');
    const { lines } = await log.page(child, 0, 10);
    expect(lines.map((line) => line.type)).toEqual([
      'run.requested',
      'stop.requested',
      'stop.observed',
      'run.stopped',
    ]);
    expect((await state(child)).stop_observed).toMatchObject({ boundary: 'absent', in_flight: [] });
    expect(JSON.parse(lines[0]?.line ?? '')).toMatchObject({
      data: { input: { n: 1 }, parent: { run_id: parent.run_id } },
    });
    const late = await log.execute(child, () => someStart(child));
    expect(late.refusal?.code).toEqual(expect.any(String));
    await waitFor(async () => (await state(parent)).children[0]?.status === 'stopped', {
      timeoutMs: 15_000,
      describe: 'the parent to know',
    });
  });

  it('stops the other children of a family of which one was erased, and says so to the parent', async () => {
    const { parent, child } = await family();
    const erased = ulid();
    const spawned = await log.execute(parent, () => ({
      type: 'RecordProgress',
      held_by,
      events: [
        {
          type: 'child.spawned',
          data: { call_id: 'c1', index: 1, child_run_id: erased, agent_id: 'ticker', input: null },
        },
      ],
    }));
    expect(spawned.refusal).toBeUndefined();
    const tombstone = tombstoneFor(
      {},
      { erased_by: 'ada', reason: 'requested', requested_at: new Date().toISOString() },
    );
    await broker.js.publish(erasedSubject(tenant_id, erased), encodeTombstone(tombstone));
    await log.execute(parent, () => ({
      type: 'RequestStop',
      by: someone,
      mode: 'cooperative',
      reason: 'enough',
    }));
    await until(child, 'stopped');
    await waitFor(async () => (await state(parent)).children.every(({ status }) => status !== 'live'), {
      timeoutMs: 15_000,
      describe: 'the parent to know of both',
    });
    const { lines } = await log.page(parent, 0, 100);
    const ends = lines.filter(({ type }) => type === 'child.ended').map(({ line }) => JSON.parse(line));
    expect(ends).toHaveLength(2);
    expect(ends).toContainEqual(
      expect.objectContaining({
        data: expect.objectContaining({
          child_run_id: erased,
          status: 'error',
          error: expect.objectContaining({ code: 'child_erased' }),
        }),
      }),
    );
  });

  it('brings a run back when its retry is due, once', async () => {
    const address = await start({
      limits: { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 3 },
    });
    await log.execute(address, () => someBegin());
    const timer = { timer_id: 'retry-1', due_at: new Date(Date.now() + 500).toISOString() };
    const parked = await log.execute(address, () => ({
      type: 'ScheduleRetry',
      held_by,
      error: { code: 'flaky', detail: 'once more' },
      timer,
    }));
    expect(parked.refusal).toBeUndefined();
    expect(await until(address, 'queued')).toMatchObject({ dispatch: 2 });
    const { lines } = await log.page(address, 0, 100);
    expect(lines.filter((line) => line.type === 'run.unparked')).toHaveLength(1);
  });

  it('fails a run that still waits for a slot when its time is over', async () => {
    const address = await start({
      user_id: 'late',
      limits: { max_turns: null, max_cost_usd: null, timeout_s: 1, max_attempts: 1 },
    });
    expect(await until(address, 'error')).toMatchObject({ status: 'error' });
  });
});
