import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunningService } from '@runledger/service-host';
import { codeAgent } from './agents.ts';
import { Cell } from './cell.ts';
import { startExecutor, startScheduler } from './test-executor.ts';

const MOST = 130;

describe('a run whose log is full', () => {
  let cell: Cell;
  let services: RunningService[];

  beforeAll(async () => {
    cell = await Cell.start();
    const jsm = await cell.broker.jsm();
    await jsm.streams.update('RUNS', { max_msgs_per_subject: MOST });
    services = [await startScheduler(cell), await startExecutor(cell)];
  });
  afterAll(async () => {
    for (const service of services) await service.close();
    await cell.stop();
  });

  it('ends with what its limit was, said once however many branches came to it', async () => {
    const branch = `(async () => { for (let i = 0; ; i += 1) await tools.step(name + i, {}, () => i); })()`;
    const body = `return Promise.all(['a', 'b', 'c'].map((name) => ${branch}));`;
    const address = await cell.request(codeAgent('endless', body), {});
    const end = await cell.ended(address);
    expect(end).toMatchObject({
      type: 'run.failed',
      data: { error: { code: 'log_limit_reached', category: 'limit', retryable: false } },
    });
    const events = await cell.events(address);
    const reached = events.filter((event) => event.type === 'limit.reached');
    expect(reached.map((event) => event.data)).toEqual([
      { limit: 'commits', value: String(MOST), used: expect.stringMatching(/^3\d$/) },
    ]);
    const { commits } = await cell.log.load(address);
    expect(commits).toBeLessThanOrEqual(MOST);
  }, 60_000);
});
