import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Kvm, type KV } from '@nats-io/kv';
import { directPage } from '@runledger/run-log';
import { waitFor } from '@runledger/testkit';
import { scheduleKey, timerSubject, type Schedule } from '@runledger/wire';
import pino from 'pino';
import { ulid } from 'ulid';
import { rearmLostTimers, type LostTimersTotals } from '../src/schedules/lost-timers.ts';
import { Schedules, type ScheduleAddress } from '../src/schedules/schedules.ts';
import { readScheduleSweepMs } from '../src/schedules/sweep-settings.ts';
import { startSchedulerCell, type SchedulerCell } from './cell-of-schedulers.ts';

const SCHEDULES = 40;

describe('timers of schedules that are lost', () => {
  let cell: SchedulerCell;
  let bucket: KV;
  const made: Schedule[] = [];

  beforeAll(async () => {
    process.env.RUNLEDGER_SCHEDULE_SWEEP_S = '1';
    cell = await startSchedulerCell({});
    bucket = await new Kvm(cell.broker.js).open('schedules');
    await Promise.all([cell.startScheduler(), cell.startScheduler()]);
    for (let at = 0; at < SCHEDULES; at += 1) made.push(await put({}));
    await waitFor(async () => (await timers()).size === SCHEDULES, WAIT);
  }, 60_000);
  afterAll(async () => {
    delete process.env.RUNLEDGER_SCHEDULE_SWEEP_S;
    await cell.stop();
  });

  const WAIT = { timeoutMs: 30_000, describe: 'every schedule to have its timer' };

  async function put(over: Partial<Schedule>): Promise<Schedule> {
    const now = new Date().toISOString();
    const schedule: Schedule = {
      ...{ schedule_id: ulid(), tenant_id: 'local', user_id: 'ann', agent_id: 'ticker' },
      ...{ input: null, labels: {}, time_zone: 'UTC', enabled: true, overlap: 'skip', missed: 'run_once' },
      ...{ since: now, created_at: now, updated_at: now },
      // Not while the spec runs.
      cron: `0 0 ${new Date().getUTCDate() > 15 ? 8 : 22} * *`,
      ...over,
    };
    await bucket.put(scheduleKey('local', schedule.schedule_id), JSON.stringify(schedule));
    return schedule;
  }

  /** What is set, by subject. */
  async function timers(): Promise<Map<string, { seq: number; text: string }>> {
    const found = new Map<string, { seq: number; text: string }>();
    for (let seq = 1; ;) {
      const query = { seq, next_by_subj: 'timers.schedule.>' };
      const page = await directPage(cell.broker.nc, 'TIMERS', query, 5_000);
      for (const message of page) found.set(message.subject, { seq: message.seq, text: message.text });
      const last = page.at(-1);
      if (!last) return found;
      seq = last.seq + 1;
    }
  }
  const subjectOf = ({ schedule_id }: Schedule): string =>
    timerSubject('schedule', 'local', schedule_id, 'next');
  const sweep = (arm: (address: ScheduleAddress) => Promise<boolean>): Promise<LostTimersTotals> =>
    rearmLostTimers({ broker: cell.broker, logger: pino({ level: 'silent' }), arm });

  it('with their whole stream are set again, for the same times', async () => {
    const before = [...(await timers())].map(([subject, { text }]) => [subject, text]).sort();
    await (await cell.broker.jsm()).streams.purge('TIMERS');
    await waitFor(async () => (await timers()).size === SCHEDULES, WAIT);
    const after = [...(await timers())].map(([subject, { text }]) => [subject, text]).sort();
    expect(after).toEqual(before);
  }, 60_000);

  it('one by one are set again, and nothing else is: what is paused, deleted or still has its timer', async () => {
    await Promise.all(cell.schedulers.splice(0).map((scheduler) => scheduler.close()));
    const lost = made.slice(3, 6).map(subjectOf);
    for (const filter of lost) await (await cell.broker.jsm()).streams.purge('TIMERS', { filter });
    await put({ enabled: false });
    await bucket.delete(scheduleKey('local', (await put({})).schedule_id));
    const before = await timers();
    const schedules = new Schedules(cell.broker, cell.log);
    const arm = (address: ScheduleAddress): Promise<boolean> => schedules.arm(address);
    expect(await sweep(arm)).toEqual({ looked_at: SCHEDULES + 1, rearmed: lost.length, failed: 0 });
    const after = await timers();
    for (const subject of lost) {
      expect(JSON.parse(after.get(subject)?.text ?? '')).toHaveProperty('due_at');
      after.delete(subject);
    }
    expect(after).toEqual(before);
    expect(await sweep(arm)).toMatchObject({ rearmed: 0, failed: 0 });
  }, 60_000);

  it('are looked at to the last, also when one of them cannot be set', async () => {
    await (await cell.broker.jsm()).streams.purge('TIMERS');
    let asked = 0;
    const totals = await sweep(() =>
      ++asked === 2 ? Promise.reject(new Error('no')) : Promise.resolve(true),
    );
    expect(totals).toEqual({ looked_at: SCHEDULES + 1, rearmed: SCHEDULES - 1, failed: 1 });
  }, 60_000);

  it('are looked for as often as the setting says', () => {
    expect(readScheduleSweepMs({})).toBe(60_000);
    expect(readScheduleSweepMs({ RUNLEDGER_SCHEDULE_SWEEP_S: '5' })).toBe(5_000);
    for (const bad of ['0', '-1', '1.5', 'soon', '86401'])
      expect(() => readScheduleSweepMs({ RUNLEDGER_SCHEDULE_SWEEP_S: bad })).toThrow(
        'RUNLEDGER_SCHEDULE_SWEEP_S',
      );
  });
});
