import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunAddress } from '@runledger/run-log';
import type { RunningService } from '@runledger/service-host';
import { waitFor } from '@runledger/testkit';
import { builtin, codeAgent, processAgent } from './agents.ts';
import { Cell } from './cell.ts';
import { recordAsGhost } from './ghost.ts';
import { startModelEndpoint } from './model-endpoint.ts';
import { startExecutor } from './test-executor.ts';

describe('stopping, time limits and shutdown', () => {
  let cell: Cell;
  const cleanUp: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    cell = await Cell.start();
  });
  afterEach(async () => {
    for (const clean of cleanUp.splice(0).reverse()) await clean();
  });
  afterAll(() => cell.stop());

  async function executor(options: Parameters<typeof startExecutor>[1] = {}): Promise<RunningService> {
    const service = await startExecutor(cell, options);
    cleanUp.push(() => service.close());
    return service;
  }

  it('a ticker stops at its next boundary, long before its next tick', async () => {
    await executor();
    const address = await cell.start(builtin('ticker'), { count: 10, every_ms: 60_000 });
    await cell.until(address, (event) => event.data.name === 'tick 1');
    await cell.requestStop(address);
    const end = await cell.ended(address, 3_000);
    expect(end).toMatchObject({ type: 'run.stopped', data: { reason: 'enough', by: { user_id: 'ada' } } });
    const observed = (await cell.events(address)).find((event) => event.type === 'stop.observed');
    expect(observed?.data).toMatchObject({ boundary: 'tick 2', in_flight: [] });
    expect(observed?.data.latency_ms).toBeLessThan(1_000);
    await waitFor(async () => (await cell.outstandingWork()) === 0, { describe: 'no work is left' });
  });

  it('a run whose root is stopping is not begun, though the stop has not come down to it', async () => {
    const below = (parent: RunAddress, root: RunAddress, depth: number) => ({
      parent: { run_id: parent.run_id, call_id: 'c0' },
      root_run_id: root.run_id,
      depth,
      channel: 'agent' as const,
    });
    const root = await cell.request(builtin('ticker'), { count: 2 });
    await recordAsGhost(cell, root, 'builtin', []);
    const branch = await cell.request(builtin('ticker'), { count: 2 }, below(root, root, 1));
    await recordAsGhost(cell, branch, 'builtin', []);
    const leaf = await cell.request(builtin('ticker'), { count: 2 }, below(branch, root, 2));
    const fine = await cell.request(builtin('ticker'), { count: 1 });
    await cell.requestStop(root);
    for (const address of [leaf, fine]) await cell.dispatch(address);
    await executor();
    expect(await cell.ended(fine)).toMatchObject({ type: 'run.succeeded' });
    await waitFor(async () => (await cell.outstandingWork()) === 0, { describe: 'no work is left' });
    expect((await cell.events(leaf)).map((event) => event.type)).toEqual(['run.requested']);
  });

  it('a model call in flight is finished and recorded before the run stops', async () => {
    const endpoint = await startModelEndpoint();
    cleanUp.push(() => endpoint.close());
    endpoint.holdAfter(0);
    await executor({ modelBaseUrl: endpoint.url });
    const agent = { ...codeAgent('asker', ''), kind: 'llm' as const, model: 'custom/m' };
    const address = await cell.start(agent, 'hi');
    await waitFor(() => endpoint.calls.length === 1, { describe: 'the model is asked' });
    await cell.requestStop(address);
    endpoint.release();
    const end = await cell.ended(address);
    const types = (await cell.events(address)).map((event) => event.type);
    expect(types).toContain('turn.completed');
    // The answer was the run's last step: it ended before its next boundary.
    expect(end.type).toBe('run.succeeded');
  });

  it('a code agent cleans up after a stop, and cannot start anything new', async () => {
    await executor();
    const agent = codeAgent(
      'cleaner',
      `try { for (let i = 0; ; i++) { await tools.step('work ' + i, null, () => i); await new Promise((r) => setTimeout(r, 20)); } }
       catch (error) { await new Promise((r) => setTimeout(r, 50)); return { code: error.code }; }`,
    );
    const address = await cell.start(agent, {});
    await cell.until(address, (event) => event.data.name === 'work 2');
    await cell.requestStop(address);
    const end = await cell.ended(address);
    expect(end.type).toBe('run.stopped');
    const types = (await cell.events(address)).map((event) => event.type);
    expect(types.slice(types.indexOf('stop.observed'))).toEqual(['stop.observed', 'run.stopped']);
  });

  it('mode kill ends a process that ignores SIGTERM within three seconds', async () => {
    await executor();
    const script = `process.on('SIGTERM', () => {}); console.log(JSON.stringify({ type: 'event', event: 'milestone', name: 'deaf', detail: String(process.pid) })); setInterval(() => {}, 1000);`;
    const address = await cell.start(processAgent('deaf', [process.execPath, '-e', script]), {});
    const deaf = await cell.until(address, (event) => event.data.name === 'deaf');
    await cell.requestStop(address, 'kill');
    const end = await cell.ended(address, 5_000);
    expect(end.type).toBe('run.stopped');
    await waitFor(() => !alive(Number(deaf.data.detail)), { describe: 'the process is gone' });
  });

  it('the time limit ends a code agent that never comes to a boundary', async () => {
    await executor();
    const address = await cell.start(codeAgent('spinner', 'for (;;) {}', { limits: { timeout_s: 1 } }), {});
    const end = await cell.ended(address);
    expect(end).toMatchObject({
      type: 'run.failed',
      data: { error: { code: 'timeout', category: 'timeout', detail: 'the limit is 1 s' } },
    });
  });

  it('a shutdown hands the run over without a lost attempt', async () => {
    const first = await startExecutor(cell);
    const address = await cell.start(builtin('ticker'), { count: 10, every_ms: 100 });
    await cell.until(address, (event) => event.data.name === 'tick 2');
    await first.close();
    const parked = (await cell.events(address)).at(-1);
    expect(parked).toMatchObject({ type: 'run.parked', data: { reason: 'handover', dispatch: 1 } });
    expect(await cell.outstandingWork()).toBe(0);
    await cell.log.execute(address, () => ({ type: 'UnparkRun', reason: 'handover' }));
    await cell.dispatch(address, 2);
    await executor();
    const end = await cell.ended(address);
    expect(end.data.result).toEqual({ ticks: 10 });
    const events = await cell.events(address);
    expect(events.some((event) => event.type === 'attempt.lost')).toBe(false);
    expect(events.filter((event) => event.type === 'milestone.reached')).toHaveLength(10);
  });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
