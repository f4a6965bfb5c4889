import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunAddress } from '@runledger/run-log';
import type { RunningService } from '@runledger/service-host';
import { waitFor } from '@runledger/testkit';
import { builtin, codeAgent } from './agents.ts';
import { Cell, type SeenEvent } from './cell.ts';
import { recordAsGhost } from './ghost.ts';
import { startExecutor, startScheduler, type ExecutorOptions } from './test-executor.ts';

describe('agents that call agents', () => {
  let cell: Cell;
  let scheduler: RunningService;
  const cleanUp: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    cell = await Cell.start();
    scheduler = await startScheduler(cell);
  });
  afterEach(async () => {
    for (const clean of cleanUp.splice(0).reverse()) await clean();
  });
  afterAll(async () => {
    await scheduler.close();
    await cell.stop();
  });

  async function executor(options: ExecutorOptions = {}): Promise<RunningService> {
    const service = await startExecutor(cell, options);
    cleanUp.push(() => service.close());
    return service;
  }

  const childOf = (events: SeenEvent[], nth = 0): RunAddress => ({
    tenant_id: cell.tenant,
    run_id: String(events.filter((event) => event.type === 'child.spawned')[nth]?.data.child_run_id),
  });

  it('a short child is waited for, and is a run of its own', async () => {
    await executor();
    await cell.store(codeAgent('doubler', 'return input.n * 2;', { limits: { timeout_s: 60 } }));
    const caller = codeAgent(
      'caller',
      `const a = await tools.callAgent('doubler', { n: 4 }); tools.milestone('got ' + a); return a + 1;`,
    );
    const address = await cell.request(caller, {});
    const end = await cell.ended(address);
    expect(end.data.result).toBe(9);
    const events = await cell.events(address);
    const child = childOf(events);
    const [requested] = await cell.events(child);
    expect(requested?.data).toMatchObject({
      agent_id: 'doubler',
      channel: 'agent',
      parent: { run_id: address.run_id, call_id: 'c0' },
      root_run_id: address.run_id,
      depth: 1,
      input: { n: 4 },
      limits: { timeout_s: 60 },
    });
    expect(events.find((event) => event.type === 'child.ended')?.data).toEqual({
      child_run_id: child.run_id,
      status: 'success',
      result: 8,
    });
  });

  it('a parent of long children holds nothing while it waits, and goes on with their results', async () => {
    await executor();
    await cell.store(
      codeAgent('slow', 'await new Promise((r) => setTimeout(r, input.ms)); return input.ms;'),
    );
    const caller = codeAgent(
      'patient',
      `await tools.step('once', () => 1);
       const all = await Promise.all([tools.callAgent('slow', { ms: 900 }), tools.callAgent('slow', { ms: 1200 })]);
       return all;`,
    );
    const address = await cell.request(caller, {});
    const parked = await cell.until(address, (event) => event.type === 'run.parked');
    expect(parked.data).toMatchObject({ reason: 'children', dispatch: 1 });
    await waitFor(async () => (await cell.outstandingWork()) === 2, {
      describe: 'only the children are held',
    });
    const end = await cell.ended(address);
    expect(end.data.result).toEqual([900, 1200]);
    const types = (await cell.events(address)).map((event) => event.type);
    expect(types.filter((type) => type === 'child.spawned')).toHaveLength(2);
    expect(types.filter((type) => type === 'step.completed')).toHaveLength(1);
    expect(types.slice(-4)).toEqual(['child.ended', 'run.unparked', 'run.started', 'run.succeeded']);
    expect(types).not.toContain('attempt.lost');
  });

  it('a tree needs no more slots than one', async () => {
    await executor({ slots: 1 });
    const tree = { ...builtin('tree'), callable_agents: ['tree'] };
    const address = await cell.request(tree, { depth: 2, width: [2, 2], count: 1, every_ms: 10 });
    const end = await cell.ended(address, 30_000);
    expect(end.data.result).toEqual({ runs: 7, ticks: 7 });
  });

  it('a stopping parent leaves its slot to the children that it waits for', async () => {
    await executor({ slots: 1 });
    await cell.store(builtin('ticker'));
    const caller = codeAgent(
      'busy-caller',
      `await Promise.all([tools.callAgent('ticker', { count: 99, every_ms: 100 }), tools.step('busy', null, () => new Promise((r) => setTimeout(r, 1500)))]);`,
    );
    const address = await cell.request(caller, {});
    await cell.until(address, (event) => event.type === 'child.spawned');
    const child = childOf(await cell.events(address));
    await cell.until(child, (event) => event.type === 'run.requested');
    await recordAsGhost(cell, child, 'builtin', []);
    await cell.requestStop(address);
    expect((await cell.ended(address)).type).toBe('run.stopped');
    expect((await cell.events(child)).map(({ type }) => type).slice(-4)).toEqual([
      'attempt.lost',
      'run.started',
      'stop.observed',
      'run.stopped',
    ]);
  });

  it('a child’s failure is thrown in the agent with its code, and may be caught', async () => {
    await executor();
    await cell.store(
      codeAgent('failing', `throw Object.assign(new Error('no luck'), { code: 'x', name: 'Luck' });`),
    );
    const body = `try { await tools.callAgent('failing', {}); } catch (error) { return { code: error.code, message: error.message }; }`;
    const caught = await cell.ended(await cell.request(codeAgent('catcher', body), {}));
    expect(caught.data.result).toMatchObject({
      code: 'agent_error',
      message: expect.stringMatching(/no luck/),
    });
    const thrown = await cell.ended(
      await cell.request(codeAgent('thrower', `await tools.callAgent('failing', {});`), {}),
    );
    expect(thrown).toMatchObject({ type: 'run.failed', data: { error: { code: 'agent_error' } } });
  });

  it('refuses what may not be called, and says why', async () => {
    await executor();
    await cell.store(codeAgent('leaf', 'return 1;'));
    const refusals = `const codes = []; for (const id of ['nobody', 'self', 'leaf']) await tools.callAgent(id, {}).then(() => codes.push('ok'), (error) => codes.push(error.code)); return codes;`;
    const open = await cell.ended(await cell.request(codeAgent('self', refusals), {}));
    expect(open.data.result).toEqual(['agent_unknown', 'agent_cycle', 'ok']);
    const listed = codeAgent('self', refusals, { callable_agents: ['nobody'] });
    const closed = await cell.ended(await cell.request(listed, {}));
    expect(closed.data.result).toEqual(['agent_unknown', 'agent_not_callable', 'agent_not_callable']);
    const deep = await cell.ended(await cell.request(codeAgent('self', refusals), {}, { depth: 8 }));
    expect(deep.data.result).toEqual(['depth_limit', 'depth_limit', 'depth_limit']);
  });

  it('large inputs and results of children pass whole', async () => {
    await executor();
    await cell.store(codeAgent('large', 'return input.text + input.text;'));
    const body = `const text = 'x'.repeat(80_000); const twice = await tools.callAgent('large', { text }); await new Promise((r) => setTimeout(r, 0)); return twice.length;`;
    const end = await cell.ended(await cell.request(codeAgent('sender', body), {}));
    expect(end.data.result).toBe(160_000);
  });
});
