import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CreateScheduleRequest, RunledgerClient, Schedule } from '@runledger/client';
import { JetStreamRunLog } from '@runledger/run-log';
import { waitFor } from '@runledger/testkit';
import { scheduledRunId } from '@runledger/wire';
import { startCell, type Cell } from './cell.ts';

const MINUTE_MS = 60_000;
const KILLED = 12;
const WAIT = { timeoutMs: 150_000, everyMs: 200 };

/** Due at this minute, in UTC, and not again for a year. */
function onceAt(moment: number): string {
  const at = new Date(moment);
  return `${at.getUTCMinutes()} ${at.getUTCHours()} ${at.getUTCDate()} ${at.getUTCMonth() + 1} *`;
}

describe('schedules, with all services', () => {
  let cell: Cell;
  let client: RunledgerClient;
  let log: JetStreamRunLog;
  beforeAll(async () => {
    cell = await startCell({ replicas: 2, env: { RUNLEDGER_ROOT_RUNS_PER_USER: '100' } });
    client = await cell.client();
    log = new JetStreamRunLog(cell.broker, { writer: 'gateway/acceptance' });
  }, 120_000);
  afterAll(async () => {
    await log.close();
    await cell.stop();
  });

  const make = (request: Partial<CreateScheduleRequest>): Promise<Schedule> =>
    client.schedules.create({ agent_id: 'ticker', cron: '* * * * *', input: { count: 1 }, ...request });
  const read = ({ schedule_id }: Schedule): Promise<Schedule> => client.schedules.get(schedule_id);
  /** The runs of a schedule as the log has them. */
  const runsOf = async ({ schedule_id }: Schedule): Promise<string[]> => {
    const found: string[] = [];
    for await (const { address, lines } of log.scan())
      if (lines[0]?.line.includes(`"schedule_id":"${schedule_id}"`)) found.push(address.run_id);
    return found;
  };
  const clock = (moment: number): Promise<unknown> =>
    waitFor(() => Date.now() >= moment, {
      ...WAIT,
      everyMs: 20,
      describe: `the clock to show ${new Date(moment).toISOString()}`,
    });
  const killSchedulers = (): Promise<unknown> =>
    Promise.all(cell.of('run-scheduler').map((scheduler) => scheduler.end('SIGKILL')));
  const startSchedulers = (): Promise<unknown> =>
    Promise.all(cell.of('run-scheduler').map((scheduler) => scheduler.start()));

  it('start one run for a due time, which completes, though schedulers are killed before, at and after it', async () => {
    // Far enough away for the schedules to be made and the schedulers to be killed before.
    const due = Math.ceil((Date.now() + 15_000) / MINUTE_MS) * MINUTE_MS;
    const schedules: Schedule[] = [];
    for (let at = 0; at < KILLED; at += 1) schedules.push(await make({ cron: onceAt(due) }));
    for (const schedule of schedules) expect(schedule.next_due_at).toBe(new Date(due).toISOString());
    await clock(due - 1_000);
    await killSchedulers();
    await clock(due + 500);
    await startSchedulers();
    const handled = async (): Promise<number> =>
      (await Promise.all(schedules.map(read))).filter(({ last }) => last !== null).length;
    await waitFor(async () => (await handled()) > 0, { ...WAIT, everyMs: 5, describe: 'a first run' });
    await killSchedulers();
    await startSchedulers();
    await waitFor(async () => (await handled()) === KILLED, { ...WAIT, describe: 'all to be handled' });
    for (const schedule of schedules) {
      const run_id = scheduledRunId('local', schedule.schedule_id, due);
      expect(await read(schedule)).toMatchObject({
        last: { due_at: new Date(due).toISOString(), outcome: 'started' },
        last_run_id: run_id,
      });
      expect(await runsOf(schedule)).toEqual([run_id]);
      const run = await waitFor(
        async () => client.getRun(run_id).then((one) => (one.completed_at ? one : undefined)),
        { ...WAIT, describe: 'the run to end' },
      );
      expect(run).toMatchObject({ status: 'success', channel: 'schedule', result: { ticks: 1 } });
    }
  }, 400_000);

  it('overlap as they say; those that are paused or deleted start nothing more', async () => {
    const long = { count: 3_000, every_ms: 1_000 };
    const skip = await make({ input: long });
    const allow = await make({ input: long, overlap: 'allow' });
    const deleted = await make({});
    const paused = await make({});
    const never = await make({ enabled: false });
    const all = [skip, allow, deleted, paused];
    await waitFor(
      async () => (await Promise.all(all.map(read))).every(({ last }) => last?.outcome === 'started'),
      { ...WAIT, describe: 'a first run of each' },
    );
    await client.schedules.delete(deleted.schedule_id);
    await client.schedules.change(paused.schedule_id, { enabled: false });
    const before = await Promise.all([deleted, paused].map(runsOf));
    const first = (await read(skip)).last_run_id;
    await waitFor(async () => (await read(skip)).last?.outcome === 'overlap_skipped', {
      ...WAIT,
      describe: 'the next due time to be skipped',
    });
    await waitFor(async () => (await runsOf(allow)).length >= 2, {
      ...WAIT,
      describe: 'a run beside the first',
    });
    expect(await runsOf(skip)).toEqual([first]);
    expect((await read(skip)).last_run_id).toBe(first);
    const open = await Promise.all((await runsOf(allow)).map((run_id) => client.getRun(run_id)));
    expect(open.map(({ completed_at }) => completed_at)).toEqual(open.map(() => null));
    expect(await Promise.all([deleted, paused].map(runsOf))).toEqual(before);
    expect(await runsOf(never)).toEqual([]);
    await expect(read(deleted)).rejects.toMatchObject({ code: 'schedule_not_found' });
    expect((await read(paused)).next_due_at).toBeNull();
  }, 400_000);
});
