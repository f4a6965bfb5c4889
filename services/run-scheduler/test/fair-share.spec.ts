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

  /** Ends the run that has had its slot longest, and gives the run that gets it. */
  const nextGrant = async (ended: Set<string>): Promise<RunAddress> => {
    const before = (await cell.granted()).filter(({ run_id }) => !ended.has(run_id));
    const oldest = before[0] as RunAddress;
    const known = new Set(before.map(({ run_id }) => run_id));
    ended.add(oldest.run_id);
    await cell.end(oldest);
    const isNew = ({ run_id }: RunAddress): boolean => !known.has(run_id) && !ended.has(run_id);
    return waitFor(async () => (await cell.granted()).find(isNew), {
      timeoutMs: 10_000,
      describe: 'the next grant',
    });
  };

  it('delays the first run of another tenant by one slot, and shows the queue without a write for each that waits', async () => {
    const ended = new Set<string>();
    const first = await cell.start({ tenant_id: 'small' });
    await waitFor(async () => (await cell.positions('small', 'dev')).includes(first.run_id), {
      timeoutMs: 10_000,
      describe: 'the other tenant to wait',
    });
    expect(await nextGrant(ended)).toEqual(first);

    const last = (await cell.positions('big', 'dev')).at(-1) as string;
    const writesBefore = await queueWrites();
    for (let count = 0; count < 40; count++) await nextGrant(ended);
    const position = RUNS - SLOTS - 40;
    await waitFor(async () => (await cell.positions('big', 'dev')).indexOf(last) + 1 === position, {
      timeoutMs: 10_000,
      describe: `the last run to be at position ${position}`,
    });
    // No write for each queued run of each admission, and not even one for each admission.
    expect((await queueWrites()) - writesBefore).toBeLessThan(40);
  }, 60_000);

  const queueWrites = async (): Promise<number> =>
    (await (await cell.broker.jsm()).streams.info('KV_queue')).state.last_seq;
});
