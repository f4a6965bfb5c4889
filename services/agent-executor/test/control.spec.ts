import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AgentDefinition } from '@runledger/harness';
import type { Command, Limits } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import type { RunningService } from '@runledger/service-host';
import { waitFor } from '@runledger/testkit';
import { SAMPLE_AGENTS } from '../src/samples.ts';
import { builtin, codeAgent } from './agents.ts';
import { Cell } from './cell.ts';
import { startModelEndpoint, type ModelEndpoint } from './model-endpoint.ts';
import { startExecutor, startScheduler } from './test-executor.ts';

const by = { user_id: 'ada', channel: 'api' as const };
const attempts = (max_attempts: number): { limits: Limits } => ({
  limits: { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts },
});

describe('steering a run', () => {
  let cell: Cell;
  let endpoint: ModelEndpoint;
  let services: RunningService[];

  beforeAll(async () => {
    cell = await Cell.start();
    endpoint = await startModelEndpoint();
    const executor = await startExecutor(cell, { slots: 24, modelBaseUrl: endpoint.url });
    services = [await startScheduler(cell), executor];
  });
  afterAll(async () => {
    for (const service of services) await service.close();
    await endpoint.close();
    await cell.stop();
  });

  const tell = async (address: RunAddress, command: Command): Promise<void> => {
    const done = await cell.log.execute(address, () => command);
    if (done.refusal) throw new Error(done.refusal.detail);
  };

  describe('retries', () => {
    it('a failure that may be retried is, after a pause, with what was recorded', async () => {
      const body = `const n = await tools.step('draw', () => Math.random()); if (tools.attempt < 3) throw Object.assign(new Error('busy'), { retryable: true }); return n;`;
      const address = await cell.request(codeAgent('again', body), {}, attempts(3));
      const end = await cell.ended(address, 20_000);
      expect(end).toMatchObject({ type: 'run.succeeded', attempt: 3 });
      const events = await cell.events(address);
      const drawn = events.filter((event) => event.type === 'step.completed');
      expect(drawn.map((event) => event.data.result)).toEqual([end.data.result]);
      const retries = events.filter((event) => event.type === 'retry.scheduled');
      expect(retries.map((event) => event.data.attempt)).toEqual([1, 2]);
      const pauses = retries.map(
        (event) => Date.parse((event.data.timer as { due_at: string }).due_at) - Date.parse(event.at),
      );
      expect(pauses[0]).toBeGreaterThan(750);
      expect(pauses[0]).toBeLessThan(1_250);
      expect(pauses[1]).toBeGreaterThan(1_550);
      expect(pauses[1]).toBeLessThan(2_450);
    });

    it('the last attempt ends the run, and what cannot be retried ends it at once', async () => {
      const busy = `throw Object.assign(new Error('busy'), { retryable: true });`;
      const last = await cell.ended(await cell.request(codeAgent('busy', busy), {}, attempts(2)));
      expect(last).toMatchObject({ type: 'run.failed', attempt: 2 });
      const wrong = await cell.ended(
        await cell.request(codeAgent('wrong', `throw new Error('no');`), {}, attempts(3)),
      );
      expect(wrong).toMatchObject({ type: 'run.failed', attempt: 1 });
    });
  });

  it('a code agent has as many model calls as its run has turns', async () => {
    const body = `for (let i = 0; ; i++) await tools.callLlm('turn ' + i);`;
    const few = { limits: { ...attempts(1).limits, max_turns: 2 } };
    const address = await cell.request(codeAgent('talker', body), {}, few);
    const end = await cell.ended(address);
    expect(end).toMatchObject({
      type: 'run.failed',
      data: { error: { code: 'max_turns_reached', category: 'limit' } },
    });
    const events = await cell.events(address);
    expect(events.filter((event) => event.type === 'step.completed')).toHaveLength(2);
    expect(events.at(-2)).toMatchObject({ type: 'limit.reached', data: { limit: 'max_turns', value: '2' } });
  });

  it('a raised time limit counts for the run that is held', async () => {
    const short = { limits: { ...attempts(1).limits, timeout_s: 2 } };
    const address = await cell.request(builtin('ticker'), { count: 30, every_ms: 100 }, short);
    await cell.until(address, (event) => event.data.name === 'tick 2');
    await tell(address, { type: 'RaiseLimits', by, limits: { timeout_s: 60 } });
    expect(await cell.ended(address)).toMatchObject({ type: 'run.succeeded' });
  });

  it('a raised limit of turns counts for the run that is held', async () => {
    const spender = SAMPLE_AGENTS.find((agent) => agent.agent_id === 'spender') as AgentDefinition;
    const few = { limits: { ...attempts(1).limits, max_turns: 20 } };
    const address = await cell.request(spender, { turns: 24, cost_usd_per_turn: 0 }, few);
    await cell.until(address, (event) => event.type === 'turn.started');
    await tell(address, { type: 'RaiseLimits', by, limits: { max_turns: 99 } });
    expect(await cell.ended(address)).toMatchObject({ type: 'run.succeeded' });
  });

  describe('pause', () => {
    it('takes effect at the next boundary, holds nothing, and goes on where it was', async () => {
      const address = await cell.request(builtin('ticker'), { count: 6, every_ms: 100 });
      await cell.until(address, (event) => event.data.name === 'tick 2');
      await tell(address, { type: 'PauseRun', by, reason: 'lunch' });
      const parked = await cell.until(address, (event) => event.type === 'run.parked');
      expect(parked.data).toMatchObject({ reason: 'pause' });
      await waitFor(async () => (await cell.outstandingWork()) === 0, { describe: 'nothing is held' });
      await tell(address, { type: 'ResumeRun', by });
      expect((await cell.ended(address)).data.result).toEqual({ ticks: 6 });
      const ticks = (await cell.events(address)).filter((event) => event.type === 'milestone.reached');
      expect(ticks).toHaveLength(6);
    });

    it('waits for the call in flight, whose result is kept', async () => {
      endpoint.holdAfter(endpoint.calls.length);
      const agent = codeAgent(
        'asks',
        `const a = await tools.callLlm('q1'); tools.milestone('answered'); return a.text;`,
        { model: 'custom/m' },
      );
      const address = await cell.request(agent, {});
      await waitFor(() => endpoint.calls.includes('q1'), { describe: 'the model is asked' });
      await tell(address, { type: 'PauseRun', by, reason: '' });
      endpoint.release();
      await cell.until(address, (event) => event.type === 'run.parked');
      await tell(address, { type: 'ResumeRun', by });
      expect((await cell.ended(address)).data.result).toBe('you said: q1');
      expect(endpoint.calls.filter((call) => call === 'q1')).toHaveLength(1);
    });
  });

  describe('stop of a tree', () => {
    const tree = SAMPLE_AGENTS.find((agent) => agent.agent_id === 'tree') as AgentDefinition;

    it('stops 1 + 5 + 10 runs, each with its receipt, and starts nothing after it', async () => {
      const address = await cell.request(tree, { depth: 2, width: [5, 2], every_ms: 100, count: 10_000 });
      const nodes = await waitFor(
        async () => {
          const found = await descendants(cell, address);
          const running = await Promise.all(
            found.map(async (node) => (await cell.log.load(node)).run.status === 'running'),
          );
          return found.length === 16 && running.every(Boolean) ? found : undefined;
        },
        { timeoutMs: 30_000, describe: 'sixteen runs run' },
      );
      await cell.requestStop(address);
      await cell.ended(address, 20_000);
      for (const node of nodes) {
        const events = await cell.events(node);
        expect(events.at(-1)?.type).toBe('run.stopped');
        const seen = events.findIndex((event) => event.type === 'stop.observed');
        expect(seen).toBeGreaterThan(0);
        const after = new Set(events.slice(seen + 1).map((event) => event.type));
        expect([...after].filter((type) => !['child.ended', 'run.stopped'].includes(type))).toEqual([]);
      }
      expect(await descendants(cell, address)).toHaveLength(16);
      const root = (await cell.events(address)).map((event) => event.type);
      expect(root.filter((type) => type === 'child.ended')).toHaveLength(5);
    }, 60_000);

    it('a parent that waits for its children holds nothing, and stops with the last of them', async () => {
      await cell.store(builtin('ticker'));
      const waiting = codeAgent('waiting', `await tools.callAgent('ticker', { count: 1000, every_ms: 50 });`);
      const address = await cell.request(waiting, {});
      await cell.until(address, (event) => event.type === 'run.parked');
      await cell.requestStop(address);
      expect(await cell.ended(address)).toMatchObject({ type: 'run.stopped' });
      const [, child] = await descendants(cell, address);
      expect((await cell.events(child as RunAddress)).at(-1)?.type).toBe('run.stopped');
    });

    it('an agent cleans up after its children were asked to stop, and may call no other', async () => {
      await cell.store(builtin('ticker'));
      const body = `try { tools.milestone('on'); await Promise.all([tools.callAgent('ticker', { count: 1000, every_ms: 50 }), (async () => { for (;;) { await tools.step('s', () => 1); await new Promise((r) => setTimeout(r, 50)); } })()]); }
        finally { await tools.callAgent('ticker', { count: 1 }).catch((error) => console.log(error.code)); }`;
      const address = await cell.request(codeAgent('tidy', body), {});
      await cell.until(address, (event) => event.type === 'child.spawned');
      await cell.requestStop(address);
      expect(await cell.ended(address)).toMatchObject({ type: 'run.stopped' });
      const types = (await cell.events(address)).map((event) => event.type);
      expect(types.filter((type) => type === 'child.spawned')).toHaveLength(1);
      expect(types.filter((type) => type === 'stop.observed' || type === 'child.ended').sort()).toEqual([
        'child.ended',
        'stop.observed',
      ]);
      expect(types.at(-1)).toBe('run.stopped');
    });
  });

  describe('nudges', () => {
    const nudge = (address: RunAddress, nudge_id: string, message: string): Promise<void> =>
      tell(address, { type: 'SendNudge', nudge_id, by, message });

    it('reach a code agent with the answer of its next call, acknowledged before', async () => {
      const body = `const heard = []; while (heard.length < 2) { await tools.step('look', () => 0); heard.push(...tools.nudges()); await new Promise((r) => setTimeout(r, 30)); } return heard;`;
      const address = await cell.request(codeAgent('listener', body), {});
      await cell.until(address, (event) => event.type === 'step.completed');
      await nudge(address, 'n1', 'left');
      await nudge(address, 'n2', 'right');
      expect((await cell.ended(address)).data.result).toEqual(['left', 'right']);
      const acknowledged = (await cell.events(address)).filter(
        (event) => event.type === 'nudge.acknowledged',
      );
      expect(acknowledged.map((event) => event.data.nudge_id)).toEqual(['n1', 'n2']);
    });
  });
});

/** The run itself and every run below it. */
async function descendants(cell: Cell, address: RunAddress): Promise<RunAddress[]> {
  const { run } = await cell.log.load(address);
  const below = await Promise.all(
    run.children.map(({ child_run_id }) => descendants(cell, { ...address, run_id: child_run_id })),
  );
  return [address, ...below.flat()];
}
