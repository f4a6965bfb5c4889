import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Kvm, type KV } from '@nats-io/kv';
import { waitFor } from '@runledger/testkit';
import {
  dueSubject,
  scheduledRunId,
  scheduleKey,
  scheduleStateKey,
  type Schedule,
  type ScheduleState,
} from '@runledger/wire';
import { ulid } from 'ulid';
import { startSchedulerCell, type SchedulerCell } from './cell-of-schedulers.ts';

const MINUTE_MS = 60_000;

/** A cron expression that is due at this moment's minute, in UTC, and not again for a year. */
function onceAt(moment: number): string {
  const at = new Date(moment);
  return `${at.getUTCMinutes()} ${at.getUTCHours()} ${at.getUTCDate()} ${at.getUTCMonth() + 1} *`;
}

describe('schedules with three schedulers', () => {
  let cell: SchedulerCell;
  let bucket: KV;

  beforeAll(async () => {
    cell = await startSchedulerCell({});
    bucket = await new Kvm(cell.broker.js).open('schedules');
    const agents = await new Kvm(cell.broker.js).open('agents');
    await agents.put('local.ticker', '{"agent_id":"ticker","name":"Ticker","limits":{"max_turns":7}}');
    await Promise.all([cell.startScheduler(), cell.startScheduler(), cell.startScheduler()]);
  }, 30_000);
  afterAll(() => cell.stop());

  const put = async (over: Partial<Schedule>): Promise<Schedule> => {
    const schedule: Schedule = {
      schedule_id: ulid(),
      tenant_id: 'local',
      user_id: 'ann',
      agent_id: 'ticker',
      input: { count: 1 },
      labels: { team: 'blue' },
      cron: '* * * * *',
      time_zone: 'UTC',
      enabled: true,
      overlap: 'skip',
      missed: 'run_once',
      since: '2026-01-01T00:00:00.000Z',
      created_at: '2026-01-01T00:00:00.000Z',
      updated_at: '2026-01-01T00:00:00.000Z',
      ...over,
    };
    await bucket.put(scheduleKey('local', schedule.schedule_id), JSON.stringify(schedule));
    return schedule;
  };
  /** Due at the beginning of this minute, and not again. */
  const dueNow = (over: Partial<Schedule> = {}): [number, Promise<Schedule>] => {
    const due = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
    return [due, put({ cron: onceAt(due), since: new Date(due - 1).toISOString(), ...over })];
  };
  const stateOf = async ({ schedule_id }: Schedule): Promise<ScheduleState | undefined> => {
    const entry = await bucket.get(scheduleStateKey('local', schedule_id));
    return entry?.operation === 'PUT' ? entry.json<ScheduleState>() : undefined;
  };
  const handled = (schedule: Schedule): Promise<ScheduleState> =>
    waitFor(() => stateOf(schedule), { timeoutMs: 15_000, describe: 'the due time to be handled' });
  const runsOf = async ({ schedule_id }: Schedule): Promise<string[]> => {
    const found: string[] = [];
    for await (const { address, lines } of cell.log.scan())
      if (lines[0]?.line.includes(`"schedule_id":"${schedule_id}"`)) found.push(address.run_id);
    return found;
  };

  it('start one run for a due time, also when the firing is delivered many times', async () => {
    const [due, putting] = dueNow();
    const schedule = await putting;
    const state = await handled(schedule);
    const run_id = scheduledRunId('local', schedule.schedule_id, due);
    expect(state).toEqual({ due_at: new Date(due).toISOString(), outcome: 'started', run_id });
    const { revision } = (await bucket.get(scheduleKey('local', schedule.schedule_id))) ?? { revision: 0 };
    const firing = JSON.stringify({ due_at: state.due_at, revision });
    const subject = dueSubject('schedule', 'local', schedule.schedule_id, 'next');
    // As if the state had been lost with the process that started the run.
    await bucket.purge(scheduleStateKey('local', schedule.schedule_id));
    await cell.broker.js.publish(subject, firing);
    expect(await handled(schedule)).toEqual(state);
    await cell.broker.js.publish(subject, firing);
    await waitFor(
      async () =>
        (await (await cell.broker.jsm()).consumers.info('TIMERS', 'run-scheduler-due')).num_ack_pending === 0,
      {
        timeoutMs: 10_000,
        describe: 'the firing to be handled',
      },
    );
    expect(await runsOf(schedule)).toEqual([run_id]);
    const { run } = await cell.log.load({ tenant_id: 'local', run_id });
    expect(run).toMatchObject({
      agent_id: 'ticker',
      user_id: 'ann',
      channel: 'schedule',
      limits: { max_turns: 7 },
    });
  }, 40_000);

  it('fire what came due while no scheduler was there', async () => {
    await Promise.all(cell.schedulers.splice(0).map((scheduler) => scheduler.close()));
    const [due, putting] = dueNow();
    const schedule = await putting;
    await Promise.all([cell.startScheduler(), cell.startScheduler(), cell.startScheduler()]);
    expect(await handled(schedule)).toMatchObject({ outcome: 'started' });
    expect(await runsOf(schedule)).toEqual([scheduledRunId('local', schedule.schedule_id, due)]);
  }, 40_000);

  it('start one run for all due times that were missed, or none, as the schedule says', async () => {
    const latest = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 10 * MINUTE_MS;
    const cron = `${new Date(latest).getUTCMinutes()} * * * *`;
    const since = new Date(latest - 300 * MINUTE_MS).toISOString();
    const [once, none] = [await put({ cron, since }), await put({ cron, since, missed: 'skip' })];
    const due_at = new Date(latest).toISOString();
    expect(await handled(once)).toMatchObject({ due_at, outcome: 'started' });
    expect(await handled(none)).toEqual({ due_at, outcome: 'missed_skipped', run_id: null });
    expect(await runsOf(once)).toHaveLength(1);
    expect(await runsOf(none)).toEqual([]);
  }, 40_000);

  it('skip a due time while the run before it goes on, unless overlap is allowed', async () => {
    const open = await cell.start({});
    const before = { due_at: '2026-01-02T00:00:00.000Z', outcome: 'started', run_id: open.run_id };
    const outcomes: [Schedule['overlap'], string][] = [];
    for (const overlap of ['skip', 'allow'] as const) {
      const schedule_id = ulid();
      await bucket.put(scheduleStateKey('local', schedule_id), JSON.stringify(before));
      const schedule = await dueNow({ schedule_id, overlap })[1];
      const isHandled = async (): Promise<boolean> => (await stateOf(schedule))?.due_at !== before.due_at;
      await waitFor(isHandled, { timeoutMs: 15_000, describe: 'the due time to be handled' });
      outcomes.push([overlap, (await handled(schedule)).outcome]);
    }
    expect(outcomes).toEqual([
      ['skip', 'overlap_skipped'],
      ['allow', 'started'],
    ]);
  }, 40_000);

  it('that are deleted leave nothing behind, also when their last firing is late', async () => {
    const schedule = await dueNow()[1];
    await handled(schedule);
    await bucket.delete(scheduleKey('local', schedule.schedule_id));
    const isGone = async (): Promise<boolean> => (await stateOf(schedule)) === undefined;
    await waitFor(isGone, { timeoutMs: 15_000, describe: 'the state to be taken away' });
    // As if it had been handled while the schedule was deleted.
    const state = { due_at: '2026-01-02T00:00:00.000Z', outcome: 'started', run_id: null };
    await bucket.put(scheduleStateKey('local', schedule.schedule_id), JSON.stringify(state));
    const firing = JSON.stringify({ due_at: new Date().toISOString(), revision: 1 });
    await cell.broker.js.publish(dueSubject('schedule', 'local', schedule.schedule_id, 'next'), firing);
    await waitFor(isGone, { timeoutMs: 15_000, describe: 'the late state to be taken away' });
    expect(await runsOf(schedule)).toHaveLength(1);
  }, 40_000);

  it('of an agent that is gone say so, and those that are disabled do nothing', async () => {
    const [, disabled] = dueNow({ enabled: false });
    const [, gone] = dueNow({ agent_id: 'gone' });
    expect(await handled(await gone)).toMatchObject({ outcome: 'agent_not_found', run_id: null });
    expect(await stateOf(await disabled)).toBeUndefined();
  }, 40_000);
});
