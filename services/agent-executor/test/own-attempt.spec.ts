import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { builtin } from './agents.ts';
import { Cell } from './cell.ts';
import { startExecutor } from './test-executor.ts';

describe('an attempt that an executor has begun and does not hold', () => {
  let cell: Cell;

  beforeAll(async () => {
    cell = await Cell.start();
  });
  afterAll(() => cell.stop());

  it('is taken over by the same executor, for there may be no other', async () => {
    const executor = await startExecutor(cell, { drainMs: 500 });
    const address = await cell.request(builtin('ticker'), { count: 2, every_ms: 10 });
    // What is left when the begin was stored and never confirmed.
    const begun = await cell.log.execute(address, () => ({
      type: 'BeginAttempt',
      dispatch: 1,
      work_seq: 1_000,
      delivery: 1,
      executor: executor.instance,
      pool: cell.pool,
      engine: 'builtin',
    }));
    expect(begun.refusal).toBeUndefined();
    await cell.dispatch(address);
    expect(await cell.ended(address)).toMatchObject({ type: 'run.succeeded', attempt: 2 });
    const lost = (await cell.events(address)).filter((event) => event.type === 'attempt.lost');
    expect(lost.map((event) => event.data)).toEqual([
      { attempt: 1, executor: executor.instance, reason: 'executor_stopped' },
    ]);
    await executor.close();
  }, 40_000);
});
