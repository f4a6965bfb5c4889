import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { AgentDefinition } from '@runledger/harness';
import type { RunningService } from '@runledger/service-host';
import { codeAgent } from './agents.ts';
import { Cell } from './cell.ts';
import { startModelEndpoint, type ModelEndpoint } from './model-endpoint.ts';
import { startExecutor } from './test-executor.ts';

const asker = (more: Partial<AgentDefinition>): AgentDefinition => ({
  agent_id: 'asker',
  name: 'Asker',
  description: '',
  kind: 'llm',
  model: 'custom/m',
  ...more,
});

describe('models', () => {
  let cell: Cell;
  let endpoint: ModelEndpoint;
  let executor: RunningService;

  beforeAll(async () => {
    cell = await Cell.start();
  });
  beforeEach(async () => {
    endpoint = await startModelEndpoint();
    executor = await startExecutor(cell, { modelBaseUrl: endpoint.url, modelApiKey: 'operator-key' });
  });
  afterEach(async () => {
    await executor.close();
    await endpoint.close();
  });
  afterAll(() => cell.stop());

  it('any OpenAI-compatible endpoint, streamed, with its usage', async () => {
    const address = await cell.start(asker({}), 'hi');
    expect((await cell.ended(address)).data.result).toEqual({ reply: 'you said: hi' });
    const turn = (await cell.events(address)).find((event) => event.type === 'turn.completed');
    expect(turn?.data).toMatchObject({
      model: 'custom/m',
      finish_reason: 'stop',
      usage: { input_tokens: 7, output_tokens: 5 },
    });
    expect(endpoint.keys).toEqual(['Bearer operator-key']);
  });

  it('tries again after 429 and 503, and not after 401', async () => {
    endpoint.refuse = [429, 503];
    expect((await cell.ended(await cell.start(asker({}), 'hi'), 25_000)).data.result).toEqual({
      reply: 'you said: hi',
    });
    expect(endpoint.calls).toHaveLength(3);
    endpoint.refuse = [401];
    const end = await cell.ended(await cell.start(asker({}), 'hi'));
    expect(end.data.error).toMatchObject({
      code: 'provider_auth',
      category: 'provider',
      retryable: false,
      detail: expect.stringContaining('HTTP 401'),
    });
    expect(endpoint.calls).toHaveLength(4);
  });

  it('never sends the operator’s key to an endpoint that an agent names', async () => {
    const other = await startModelEndpoint();
    try {
      const agent = asker({ agent_id: 'sly', env_vars: [{ key: 'OPENAI_BASE_URL', value: other.url }] });
      expect((await cell.ended(await cell.start(agent, 'hi'))).data.result).toEqual({
        reply: 'you said: hi',
      });
      expect(other.keys).toEqual([undefined]);
      expect(endpoint.calls).toEqual([]);
    } finally {
      await other.close();
    }
  });

  it.each([
    ['offline/none', 'model_unknown'],
    ['noslash', 'model_unknown'],
  ])('an unknown model %s fails as %s', async (model, code) => {
    const end = await cell.ended(await cell.start(asker({ agent_id: 'unknown', model }), 'hi'));
    expect(end.data.error).toMatchObject({ code });
  });

  it('a code agent may catch what a provider refused', async () => {
    endpoint.refuse = [400];
    const agent = codeAgent(
      'catcher',
      'try { await tools.callLlm("x"); } catch (error) { return { code: error.code }; }',
      { model: 'custom/m' },
    );
    expect((await cell.ended(await cell.start(agent, {}))).data.result).toEqual({ code: 'provider_refused' });
  });

  it('ends at its limit of turns', async () => {
    const hello = asker({
      agent_id: 'two-turns',
      model: 'offline/hello',
      tools: [{ name: 'clock', kind: 'builtin' }],
      limits: { max_turns: 1 },
    });
    const address = await cell.start(hello, {});
    expect((await cell.ended(address)).data.error).toMatchObject({
      code: 'max_turns_reached',
      category: 'limit',
    });
    expect((await cell.events(address)).find((event) => event.type === 'limit.reached')?.data).toEqual({
      limit: 'max_turns',
      value: '1',
      used: '1',
    });
  });
});
