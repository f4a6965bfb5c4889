import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunAddress } from '@runledger/run-log';
import { waitFor } from '@runledger/testkit';
import { startSchedulerCell, type SchedulerCell } from './cell-of-schedulers.ts';

const SLOTS = 4;
const RUNS = 10_000;

describe('a tenant with ten thousand queued runs', () => {
  let cell: SchedulerCell;

  beforeAll(async () => {
    cell = await startSchedulerCell({
      RUNLEDGER_ROOT_RUNS: String(SLOTS),
      RUNLEDGER_ROOT_RUNS_PER_USER: '100000',
    });
    await cell.startScheduler();
    let left = RUNS;
    const starter = async (): Promise<void> => {
      while (left-- > 0) await cell.start({ tenant_id: 'big' });
    };
    await Promise.all(Array.from({ length: 100 }, starter));
    await waitFor(async () => (await cell.positions('big', 'dev')).length === RUNS - SLOTS, {
      timeoutMs: 100_000,
      describe: 'all to be queued',
    });
  }, 180_000);
  afterAll(() => cell.stop());

  /** Ends the run that has had its slot longest, and gives the run that gets it, and after how many milliseconds. */
  const nextGrant = async (ended: Set<string>): Promise<{ run: RunAddress; ms: number }> => {
    const before = (await cell.granted()).filter(({ run_id }) => !ended.has(run_id));
    const oldest = before[0] as RunAddress;
    const known = new Set(before.map(({ run_id }) => run_id));
    ended.add(oldest.run_id);
    const begun = performance.now();
    await cell.end(oldest);
    const isNew = ({ run_id }: RunAddress): boolean => !known.has(run_id) && !ended.has(run_id);
    const run = await waitFor(async () => (await cell.granted()).find(isNew), {
      timeoutMs: 10_000,
      describe: 'the next grant',
    });
    return { run, ms: performance.now() - begun };
  };

  it('delays the first run of another tenant by one slot, and its queue is shown within about a second', async () => {
    const ended = new Set<string>();
    const first = await cell.start({ tenant_id: 'small' });
    await waitFor(async () => (await cell.positions('small', 'dev')).includes(first.run_id), {
      timeoutMs: 10_000,
      describe: 'the other tenant to wait',
    });
    const { run } = await nextGrant(ended);
    expect(run).toEqual(first);

    const last = (await cell.positions('big', 'dev')).at(-1) as string;
    const writesBefore = await queueWrites();
    const times: number[] = [];
    for (let count = 0; count < 40; count++) times.push((await nextGrant(ended)).ms);
    const position = RUNS - SLOTS - 40;
    const begun = performance.now();
    await waitFor(async () => (await cell.positions('big', 'dev')).indexOf(last) + 1 === position, {
      timeoutMs: 10_000,
      describe: `the last run to be at position ${position}`,
    });
    expect(performance.now() - begun).toBeLessThan(3_000);
    // No write for each queued run of each admission, and not even one for each admission.
    expect((await queueWrites()) - writesBefore).toBeLessThan(40);
    expect(times.sort((a, b) => a - b)[20]).toBeLessThan(500);
  }, 60_000);

  const queueWrites = async (): Promise<number> =>
    (await (await cell.broker.jsm()).streams.info('KV_queue')).state.last_seq;
});
