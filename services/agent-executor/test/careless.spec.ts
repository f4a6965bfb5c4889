import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentDefinition } from '@runledger/harness';
import type { RunAddress } from '@runledger/run-log';
import type { RunningService } from '@runledger/service-host';
import { temporaryFolder, waitFor, type TemporaryFolder } from '@runledger/testkit';
import { SAMPLE_AGENTS } from '../src/samples.ts';
import { builtin, codeAgent } from './agents.ts';
import { Cell } from './cell.ts';
import { startProxy } from './stalling-proxy.ts';
import { startExecutor, startScheduler } from './test-executor.ts';

const careless = SAMPLE_AGENTS.find((agent) => agent.agent_id === 'careless') as AgentDefinition;

describe('a call whose outcome is lost, and what ends a process', () => {
  let cell: Cell;
  let scheduler: RunningService;
  let folder: TemporaryFolder;
  const cleanUp: (() => Promise<void>)[] = [];
  const file = (): string => join(folder.path, 'effects');

  beforeAll(async () => {
    cell = await Cell.start();
    scheduler = await startScheduler(cell);
  });
  beforeEach(async () => {
    folder = await temporaryFolder();
    process.env.RUNLEDGER_EFFECTS_FILE = file();
  });
  afterEach(async () => {
    for (const clean of cleanUp.splice(0).reverse()) await clean();
    delete process.env.RUNLEDGER_EFFECTS_FILE;
    await folder.remove();
  });
  afterAll(async () => {
    await scheduler.close();
    await cell.stop();
  });

  const effects = async (): Promise<string[]> =>
    (await readFile(file(), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');

  /** Cuts the first executor off once the call has taken effect, and lets another take over. */
  async function loseTheCall(tool: 'idempotent' | 'not'): Promise<RunAddress> {
    const proxy = await startProxy(cell.server.port);
    const first = await startExecutor(cell, { natsUrl: proxy.url, drainMs: 500 });
    const address = await cell.request(careless, { tool, ms: 1_000 });
    await cell.until(address, (event) => event.type === 'tool.called');
    proxy.stall();
    await waitFor(async () => (await effects()).length === 1, { describe: 'the call took effect' });
    const second = await startExecutor(cell, { drainMs: 500 });
    cleanUp.push(
      () => proxy.close(),
      () => second.close(),
      () => {
        proxy.resume();
        return first.close();
      },
    );
    return address;
  }

  it('is asked about when the tool may not be called twice', async () => {
    const address = await loseTheCall('not');
    const parked = await cell.until(address, (event) => event.type === 'run.parked');
    expect(parked.data.reason).toBe('unknown_outcome');
    const done = await cell.log.execute(address, () => ({
      type: 'ResolveOutcome',
      call_id: 'c1',
      by: { user_id: 'ada', channel: 'api' },
      choice: 'mark_done',
      result: { by: 'hand' },
    }));
    expect(done.refusal).toBeUndefined();
    const end = await cell.ended(address);
    expect(end.data.result).toEqual({ by: 'hand' });
    expect(await effects()).toEqual([`${address.run_id}/c1`]);
  });

  it('is made again with the same key when the tool is idempotent', async () => {
    const address = await loseTheCall('idempotent');
    const end = await cell.ended(address);
    expect(end.data.result).toEqual({ key: `${address.run_id}/c1`, repeated: true });
    expect(await effects()).toEqual([`${address.run_id}/c1`]);
  });

  it('a stop of mode kill ends every process of a tree', async () => {
    const executor = await startExecutor(cell);
    cleanUp.push(() => executor.close());
    const deaf = `process.on('SIGTERM', () => {}); tools.milestone('deaf', String(process.pid)); for (;;) await new Promise((r) => setTimeout(r, 1000));`;
    await cell.store(codeAgent('deaf', deaf));
    const address = await cell.request(
      codeAgent('parent', `setInterval(() => tools.log('on'), 100); await tools.callAgent('deaf', {});`),
      {},
    );
    const spawned = await cell.until(address, (event) => event.type === 'child.spawned');
    const child = { ...address, run_id: String(spawned.data.child_run_id) };
    const milestone = await cell.until(child, (event) => event.type === 'milestone.reached');
    await cell.requestStop(address, 'kill');
    expect(await cell.ended(address, 6_000)).toMatchObject({ type: 'run.stopped' });
    expect((await cell.events(child)).at(-1)?.type).toBe('run.stopped');
    expect(() => process.kill(Number(milestone.data.detail), 0)).toThrow();
  });

  it('a shutdown hands over a run that waits for its child, and no attempt is lost', async () => {
    const first = await startExecutor(cell);
    await cell.store(builtin('ticker'));
    const caller = codeAgent(
      'held',
      `const beat = setInterval(() => tools.log('on'), 100); const r = await tools.callAgent('ticker', { count: 15, every_ms: 100 }); clearInterval(beat); return r;`,
    );
    const address = await cell.request(caller, {});
    await cell.until(address, (event) => event.type === 'child.spawned');
    const second = await startExecutor(cell);
    cleanUp.push(() => second.close());
    await first.close();
    const end = await cell.ended(address);
    const types = (await cell.events(address)).map((event) => event.type);
    expect(types).not.toContain('attempt.lost');
    expect([end.type, end.data.result ?? end.data.error]).toEqual(['run.succeeded', { ticks: 15 }]);
  });
});
