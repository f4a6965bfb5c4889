import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunningService } from '@runledger/service-host';
import { waitFor } from '@runledger/testkit';
import { Cell } from './cell.ts';
import { startExecutor } from './test-executor.ts';
import type { AgentDefinition } from '@runledger/harness';

const ticker: AgentDefinition = {
  agent_id: 'ticker',
  name: 'Ticker',
  description: '',
  kind: 'builtin',
  builtin: 'ticker',
};
const burst: AgentDefinition = {
  agent_id: 'burst',
  name: 'Burst',
  description: '',
  kind: 'builtin',
  builtin: 'burst',
};

describe('builtin engines', () => {
  let cell: Cell;
  const executors: RunningService[] = [];

  beforeAll(async () => {
    cell = await Cell.start();
  });
  afterEach(async () => {
    for (const executor of executors.splice(0)) await executor.close();
  });
  afterAll(() => cell.stop());

  it('a ticker ticks to its result, and its work message is acked', async () => {
    executors.push(await startExecutor(cell));
    const address = await cell.start(ticker, { count: 3, every_ms: 50 });
    const end = await cell.ended(address);
    expect(end.data).toEqual({ result: { ticks: 3 }, schema_warnings: [] });
    const events = await cell.events(address);
    expect(events.map((event) => event.type)).toEqual([
      'run.requested',
      'run.started',
      'milestone.reached',
      'milestone.reached',
      'milestone.reached',
      'run.succeeded',
    ]);
    expect(events[1]?.data).toMatchObject({
      attempt: 1,
      dispatch: 1,
      delivery: 1,
      pool: 'default',
      engine: 'builtin',
    });
    expect(events.slice(2, 5).map((event) => event.data.index)).toEqual([0, 1, 2]);
    await waitFor(async () => (await cell.outstandingWork()) === 0, { describe: 'no work is left' });
  });

  it('a burst records every line in order', async () => {
    executors.push(await startExecutor(cell));
    const address = await cell.start(burst, { count: 5_000, bytes: 100 });
    const end = await cell.ended(address);
    expect(end.data.result).toEqual({ count: 5_000 });
    const lines = (await cell.events(address)).filter((event) => event.type === 'log.written');
    expect(lines.map((event) => event.data.index)).toEqual(
      Array.from({ length: 5_000 }, (_, index) => index),
    );
    expect(lines.every((event, index) => String(event.data.message).startsWith(`line ${index + 1} `))).toBe(
      true,
    );
  });
});
