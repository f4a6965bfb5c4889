import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunningService } from '@runledger/service-host';
import { waitFor } from '@runledger/testkit';
import { builtin, codeAgent } from './agents.ts';
import { Cell, type SeenEvent } from './cell.ts';
import { startModelEndpoint } from './model-endpoint.ts';
import { startProxy } from './stalling-proxy.ts';
import { startExecutor, type ExecutorOptions } from './test-executor.ts';

describe('taking over from a holder that is gone', () => {
  let cell: Cell;
  const cleanUp: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    cell = await Cell.start();
  });
  afterEach(async () => {
    for (const clean of cleanUp.splice(0).reverse()) await clean();
  });
  afterAll(() => cell.stop());

  /** An executor whose network can be frozen. */
  async function frozenLater(
    options: ExecutorOptions = {},
  ): Promise<{ service: RunningService; freeze: () => void; thaw: () => void }> {
    const proxy = await startProxy(cell.server.port);
    cleanUp.push(() => proxy.close());
    const service = await startExecutor(cell, { natsUrl: proxy.url, drainMs: 500, ...options });
    cleanUp.push(() => {
      proxy.resume();
      return service.close();
    });
    return { service, freeze: () => proxy.stall(), thaw: () => proxy.resume() };
  }

  async function another(options: ExecutorOptions = {}): Promise<RunningService> {
    const service = await startExecutor(cell, { drainMs: 500, ...options });
    cleanUp.push(() => service.close());
    return service;
  }

  const ticks = (events: SeenEvent[]): unknown[] =>
    events.filter((event) => event.type === 'milestone.reached').map((event) => event.data.name);

  it('the next executor goes on where the log ends, and the old one is fenced off', async () => {
    const first = await frozenLater();
    const address = await cell.start(builtin('ticker'), { count: 20, every_ms: 150 });
    await cell.until(address, (event) => event.data.name === 'tick 3');
    first.freeze();
    const second = await another();
    const lost = await cell.until(address, (event) => event.type === 'attempt.lost');
    expect(lost.data).toEqual({
      attempt: 1,
      executor: first.service.instance,
      reason: expect.stringMatching(/unreachable|lease_expired/),
    });
    first.thaw();
    const end = await cell.ended(address);
    expect(end).toMatchObject({ attempt: 2, data: { result: { ticks: 20 } } });
    const events = await cell.events(address);
    expect(ticks(events)).toEqual(Array.from({ length: 20 }, (_, index) => `tick ${index + 1}`));
    const after = events.filter((event) => event.seq > lost.seq);
    expect(after[0]).toMatchObject({
      type: 'run.started',
      data: { attempt: 2, dispatch: 1, executor: second.instance },
    });
    expect(after.every((event) => event.attempt === 2)).toBe(true);
    await waitFor(async () => (await cell.outstandingWork()) === 0, {
      describe: 'the work message is acked',
    });
  });

  it('a redelivery while the holder lives changes nothing', async () => {
    const holder = await another();
    const address = await cell.start(builtin('ticker'), { count: 25, every_ms: 100 });
    await cell.until(address, (event) => event.data.name === 'tick 2');
    const other = await another();
    const twin = await cell.broker.jsm();
    // A second message for the same dispatch, as a sweep would publish it after the first was lost.
    const info = await twin.streams.getMessage('WORK', {
      last_by_subj: `work.default.acme.${address.run_id}`,
    });
    await twin.streams.deleteMessage('WORK', info?.seq ?? 0);
    await cell.dispatch(address);
    await cell.ended(address);
    const events = await cell.events(address);
    expect(events.filter((event) => event.type === 'run.started')).toHaveLength(1);
    expect(events.every((event) => event.type !== 'attempt.lost')).toBe(true);
    expect([holder.instance, other.instance]).toContain(events[1]?.data.executor);
    await waitFor(async () => (await cell.outstandingWork()) === 0, {
      describe: 'the message of the ended run is dropped',
    });
  });

  it('a stopping run whose holder is gone is stopped by the next executor', async () => {
    const first = await frozenLater();
    const address = await cell.start(builtin('ticker'), { count: 1_000, every_ms: 100 });
    await cell.until(address, (event) => event.data.name === 'tick 2');
    first.freeze();
    await cell.requestStop(address);
    await another();
    const end = await cell.ended(address);
    expect(end).toMatchObject({
      type: 'run.stopped',
      attempt: 2,
      data: { by: { user_id: 'ada', channel: 'api' }, reason: 'enough' },
    });
    const events = await cell.events(address);
    expect(events.slice(-5).map((event) => event.type)).toEqual([
      'stop.requested',
      'attempt.lost',
      'run.started',
      'stop.observed',
      'run.stopped',
    ]);
  });

  it('a resumed code agent gets its recorded model answer, and the model is not called again', async () => {
    const endpoint = await startModelEndpoint();
    cleanUp.push(() => endpoint.close());
    const options = { modelBaseUrl: endpoint.url, modelApiKey: 'sesame' };
    const first = await frozenLater(options);
    endpoint.holdAfter(1);
    const agent = codeAgent(
      'two-calls',
      `const one = await tools.callLlm('first');
       const drawn = await tools.random();
       const kept = await tools.step('draw', { of: 1 }, () => ({ drawn: Math.random() }));
       const two = await tools.callLlm('second');
       return { one: one.text, two: two.text, drawn, kept };`,
      { model: 'custom/m' },
    );
    const address = await cell.start(agent, {});
    await waitFor(() => endpoint.calls.length === 2, { describe: 'the second call is on its way' });
    const before = await cell.events(address);
    first.freeze();
    await another(options);
    await cell.until(address, (event) => event.type === 'attempt.lost');
    await waitFor(() => endpoint.calls.length === 3, { describe: 'the unanswered call is made again' });
    endpoint.release();
    const end = await cell.ended(address);
    const recorded = (kind: string): unknown => before.find((event) => event.data.kind === kind)?.data.result;
    expect(end.data.result).toEqual({
      one: 'you said: first',
      two: 'you said: second',
      drawn: recorded('random'),
      kept: recorded('step'),
    });
    expect(endpoint.calls).toEqual(['first', 'second', 'second']);
    expect(new Set(endpoint.keys)).toEqual(new Set(['Bearer sesame']));
    const steps = (await cell.events(address)).filter((event) => event.type === 'step.completed');
    expect(steps.map((event) => event.data.index)).toEqual([0, 1, 2, 3]);
    expect(steps[0]?.data.usage).toEqual({
      input_tokens: 7,
      output_tokens: 5,
      cached_tokens: 0,
      cost_usd: '0',
    });
  });

  it('a code agent that does something else on resume ends with the index', async () => {
    const first = await frozenLater();
    const agent = codeAgent(
      'fickle',
      `await tools.step('first', null, () => 1); await tools.step('draw ' + tools.attempt, null, () => 2); await new Promise((r) => setTimeout(r, tools.attempt === 1 ? 60_000 : 0));`,
    );
    const address = await cell.start(agent, {});
    await cell.until(address, (event) => event.data.index === 1);
    first.freeze();
    await another();
    const end = await cell.ended(address);
    expect(end).toMatchObject({
      type: 'run.failed',
      data: { error: { code: 'nondeterministic_agent', category: 'agent' } },
    });
    expect((end.data.error as { detail: string }).detail).toMatch(/index 1 .*step "draw 1".*step "draw 2"/);
  });
});
