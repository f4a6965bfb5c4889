import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Kvm } from '@nats-io/kv';
import { bootstrap, connectBroker, type Broker } from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { directPage, JetStreamRunLog, type RunAddress, type RunLog } from '@runledger/run-log';
import { readSettings, startService, type RunningService } from '@runledger/service-host';
import {
  startBroker,
  temporaryFolder,
  waitFor,
  type TemporaryFolder,
  type TestBroker,
} from '@runledger/testkit';
import { applySlots, SLOTS_KEY, type SlotsCommit } from '@runledger/wire';
import { ulid } from 'ulid';
import { someBegin, someone, someStart } from '../../../libs/run-log/test/samples.ts';
import type { AdmissionEntry } from '../src/admission/entry.ts';
import { schedulerDefinition } from '../src/module.ts';

/** Two replicas of the scheduler on a real broker; the specs play gateway and executor. */
describe('admission with two schedulers', () => {
  let server: TestBroker;
  let broker: Broker;
  let log: RunLog;
  let home: TemporaryFolder;
  let schedulers: RunningService[];
  const tenant_id = 'local';

  const startScheduler = (): Promise<RunningService> =>
    startService(
      schedulerDefinition,
      readSettings({
        RUNLEDGER_HOME: home.path,
        RUNLEDGER_NATS_URL: server.url,
        RUNLEDGER_ROOT_RUNS_PER_USER: '3',
        RUNLEDGER_LOG: 'silent',
      }),
    );

  beforeAll(async () => {
    server = await startBroker();
    home = await temporaryFolder();
    broker = await connectBroker({ url: server.url, name: 'admission specs' });
    await bootstrap(broker, LAYOUT);
    log = new JetStreamRunLog(broker, { writer: 'gateway/spec' });
    schedulers = await Promise.all([startScheduler(), startScheduler()]);
  });
  afterAll(async () => {
    await Promise.all(schedulers.map((scheduler) => scheduler.close()));
    await log.close();
    await broker.close();
    await server.stop();
    await home.remove();
  });

  const start = async (user_id: string): Promise<RunAddress> => {
    const address = { tenant_id, run_id: ulid() };
    const command = someStart(address);
    await log.completeStart(
      log.prepareStart({ ...command, request: { ...command.request, user_id } }, address),
    );
    return address;
  };
  const workSubjects = async (): Promise<string[]> => {
    const info = await (await broker.jsm()).streams.info('WORK', { subjects_filter: '>' });
    return Object.keys(info.state.subjects ?? {});
  };
  const granted = async (runs: RunAddress[]): Promise<RunAddress[]> => {
    const subjects = await workSubjects();
    return runs.filter((run) => subjects.some((subject) => subject.endsWith(run.run_id)));
  };
  const waiting = async (user: string): Promise<string[]> => {
    const queue = await new Kvm(broker.js).open('queue');
    return (await queue.get(`local.${user}`))?.json<{ run_ids: string[] }>().run_ids ?? [];
  };
  const end = async (address: RunAddress): Promise<void> => {
    await log.execute(address, () => ({
      type: 'RequestStop',
      by: someone,
      mode: 'cooperative',
      reason: 'spec',
    }));
  };

  // Which three come first is decided by who of two schedulers reads which start first; from then on it is age.
  it('grants a user three of ten runs, and the oldest that waits whenever one ends', async () => {
    const runs: RunAddress[] = [];
    for (let index = 0; index < 10; index++) runs.push(await start('ann'));
    const wait = { timeoutMs: 15_000, describe: 'three grants and seven that wait' };
    await waitFor(async () => (await waiting('ann')).length === 7, wait);
    const order = [...(await granted(runs))];
    expect(order).toHaveLength(3);
    order.push(...runs.filter((run) => !order.includes(run)));
    expect(await waiting('ann')).toEqual(order.slice(3).map((run) => run.run_id));
    for (let ended = 0; ended < 7; ended++) {
      await end(order[ended] as RunAddress);
      const expected = new Set(order.slice(0, 4 + ended));
      await waitFor(async () => (await granted(runs)).length === expected.size, {
        timeoutMs: 15_000,
        describe: `grant ${expected.size}`,
      });
      expect(new Set(await granted(runs))).toEqual(expected);
    }
    for (const run of order.slice(7)) await end(run);
    await waitFor(async () => (await waiting('ann')).length === 0, {
      timeoutMs: 15_000,
      describe: 'nobody to wait',
    });
  });

  it('dispatches a run that was handed over again at once, past those who wait', async () => {
    const runs: RunAddress[] = [];
    for (let index = 0; index < 4; index++) runs.push(await start('eve'));
    const first = runs[0] as RunAddress;
    await waitFor(async () => (await granted(runs)).length === 3, {
      timeoutMs: 10_000,
      describe: 'three grants',
    });
    const info = await (
      await broker.jsm()
    ).streams.getMessage('WORK', { last_by_subj: `work.default.local.${first.run_id}` });
    await (await broker.jsm()).streams.deleteMessage('WORK', info?.seq ?? 0);
    await log.execute(first, () => someBegin('executor-1'));
    const held_by = { executor: 'executor-1', attempt: 1 };
    await log.execute(first, () => ({ type: 'ParkRun', held_by, reason: 'handover', detail: 'deploy' }));
    await waitFor(async () => (await granted([first])).length === 1, {
      timeoutMs: 10_000,
      describe: 'the handover',
    });
    expect((await log.load(first)).run).toMatchObject({ status: 'queued', dispatch: 2 });
    expect((await granted(runs)).length).toBe(3);
    for (const run of runs) await end(run);
  });

  it('publishes the next dispatch also while the message of the one before is not yet acked', async () => {
    const address = await start('fay');
    await waitFor(async () => (await granted([address])).length === 1, {
      timeoutMs: 10_000,
      describe: 'a grant',
    });
    const jsm = await broker.jsm();
    const subject = `work.default.local.${address.run_id}`;
    const first = await jsm.streams.getMessage('WORK', { last_by_subj: subject });
    await log.execute(address, () => someBegin('executor-1'));
    const held_by = { executor: 'executor-1', attempt: 1 };
    await log.execute(address, () => ({ type: 'ParkRun', held_by, reason: 'handover', detail: 'deploy' }));
    await waitFor(async () => (await log.load(address)).run.status === 'queued', {
      timeoutMs: 10_000,
      describe: 'the next dispatch',
    });
    await jsm.streams.deleteMessage('WORK', first?.seq ?? 0);
    const second = await waitFor(() => jsm.streams.getMessage('WORK', { last_by_subj: subject }), {
      timeoutMs: 10_000,
      describe: 'its message',
    });
    expect(second?.json()).toEqual({ dispatch: 2 });
    await end(address);
  });

  it('grants a burst of starts of many users each once, and gives every slot back', async () => {
    const runs = await Promise.all(Array.from({ length: 60 }, (_, index) => start(`user-${index % 20}`)));
    await waitFor(async () => (await granted(runs)).length === 60, {
      timeoutMs: 20_000,
      describe: 'sixty grants',
    });
    await Promise.all(runs.map(end));
    const stored = () =>
      directPage(broker.nc, 'KV_admission', { seq: 1, next_by_subj: '$KV.admission.>' }, 5_000);
    const slots = new Map<string, AdmissionEntry>();
    const free = async (): Promise<boolean> => {
      slots.clear();
      for (const { subject, text } of await stored())
        if (subject.endsWith(SLOTS_KEY)) applySlots(slots, JSON.parse(text) as SlotsCommit<AdmissionEntry>);
      return slots.size === 0;
    };
    await waitFor(free, { timeoutMs: 20_000, describe: 'every slot to be free' });
    const later = await Promise.all([start('user-1'), start('user-2'), start('user-3')]);
    await waitFor(async () => (await granted(later)).length === 3, {
      timeoutMs: 10_000,
      describe: 'three grants',
    });
    for (const run of later) await end(run);
  }, 90_000);
});
