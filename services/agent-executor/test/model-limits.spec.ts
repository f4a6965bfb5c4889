import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { AgentDefinition } from '@runledger/harness';
import type { RunningService } from '@runledger/service-host';
import { freePort, waitFor } from '@runledger/testkit';
import { waitBefore } from '../src/models/model-fetch.ts';
import { codeAgent } from './agents.ts';
import { Cell } from './cell.ts';
import { startExecutor } from './test-executor.ts';
import { startUnrulyEndpoint, type Manner, type UnrulyEndpoint } from './unruly-endpoint.ts';

const llm: AgentDefinition = {
  agent_id: 'asker',
  name: 'Asker',
  description: '',
  kind: 'llm',
  model: 'custom/m',
  tools: [{ name: 'clock', kind: 'builtin' }],
};
const code = codeAgent('asking-code', 'return (await tools.callLlm("x")).text;', { model: 'custom/m' });

describe('a call of a model that', () => {
  let cell: Cell;
  let endpoint: UnrulyEndpoint;
  let executor: RunningService | undefined;

  beforeAll(async () => {
    cell = await Cell.start();
    endpoint = await startUnrulyEndpoint();
  });
  afterEach(async () => {
    await executor?.close();
    executor = undefined;
  });
  afterAll(async () => {
    await endpoint.close();
    await cell.stop();
  });

  /** The limits are those of a test; in seconds and MiB, as the settings are. */
  async function started(limits: { modelTimeoutS?: number; modelSilenceS?: number } = {}): Promise<void> {
    executor = await startExecutor(cell, { modelBaseUrl: endpoint.url, modelReplyMib: 0.25, ...limits });
  }

  const kinds = [
    ['llm, in a stream', llm],
    ['code, whole', code],
  ] as const;

  describe.each(kinds)('(%s)', (_kind, agent) => {
    it.each<[Manner, string, RegExp]>([
      ['says nothing', 'provider_timeout', /custom\/m: not a byte came for 0\.5 s/],
      ['drips', 'provider_timeout', /custom\/m: the call was not over after 1\.5 s/],
      ['never ends', 'provider_reply_too_large', /custom\/m: the reply is larger than 262144 bytes/],
    ])('%s: ends with %s, and is closed', async (manner, failure, detail) => {
      await started({ modelTimeoutS: 1.5, modelSilenceS: 0.5 });
      endpoint.behave(manner);
      const end = await cell.ended(await cell.start(agent, 'hi'));
      expect(end.data.error).toMatchObject({
        code: failure,
        category: 'provider',
        detail: expect.stringMatching(detail),
        remedy: expect.stringMatching(/RUNLEDGER_MODEL_/),
      });
      await waitFor(() => endpoint.closed() === 1, { describe: 'the connection to be closed' });
      expect(endpoint.calls()).toBe(1);
    });

    it.each<[Manner, RegExp]>([
      ['half an answer', /custom\/m: (Invalid JSON|Response stream ended without a finish reason)/],
      ['is cut off', /custom\/m: the connection was cut in the middle of the answer: /],
    ])('gives %s: is no answer, and may be tried again', async (manner, detail) => {
      await started();
      endpoint.behave(manner);
      const end = await cell.ended(await cell.start(agent, 'hi'));
      expect(end.data.error).toMatchObject({
        code: 'provider_failed',
        retryable: true,
        detail: expect.stringMatching(detail),
      });
      expect(endpoint.calls()).toBe(1);
    });

    it('is refused: is made again, four times in all', async () => {
      await started();
      endpoint.behave({ status: 500 }, { status: 429 }, 'answers');
      expect((await cell.ended(await cell.start(agent, 'hi'))).type).toBe('run.succeeded');
      expect(endpoint.calls()).toBe(3);
      endpoint.behave({ status: 503 });
      const end = await cell.ended(await cell.start(agent, 'hi'), 25_000);
      expect(end.data.error).toMatchObject({
        code: 'provider_unavailable',
        detail: expect.stringMatching(/HTTP 503.*not now/),
      });
      expect(endpoint.calls()).toBe(4);
    }, 60_000);

    it('is stopped while it hangs: a kill closes it', async () => {
      await started();
      endpoint.behave('says nothing');
      const address = await cell.start(agent, 'hi');
      await waitFor(() => endpoint.calls() === 1, { describe: 'the model to be asked' });
      await cell.requestStop(address, 'kill');
      expect((await cell.ended(address)).type).toBe('run.stopped');
      await waitFor(() => endpoint.closed() === 1, { describe: 'the connection to be closed' });
    });

    it('is stopped between two tries: there is no other', async () => {
      await started();
      endpoint.behave({ status: 429, headers: { 'retry-after': '25' } });
      const address = await cell.start(agent, 'hi');
      await waitFor(() => endpoint.calls() === 1, { describe: 'the model to be asked' });
      await cell.requestStop(address);
      expect((await cell.ended(address)).type).toBe('run.stopped');
      expect(endpoint.calls()).toBe(1);
    });
  });

  it('is to be left alone for long waits for the next attempt, not before that time', async () => {
    await started();
    endpoint.behave({ status: 429, headers: { 'retry-after': '120' } });
    const limits = { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 2 };
    const address = await cell.start(llm, 'hi', { limits });
    const parked = await cell.until(address, ({ type }) => type === 'run.parked');
    expect(parked.data).toMatchObject({
      reason: 'retry',
      detail: expect.stringMatching(/HTTP 429/),
    });
    const due = (parked.data.timer as { due_at: string }).due_at;
    expect(Date.parse(due) - Date.parse(parked.at)).toBeGreaterThan(115_000);
    expect(endpoint.calls()).toBe(1);
  });

  it('says in its stream that it failed: fails as it says', async () => {
    await started();
    endpoint.behave('an error in its stream');
    const end = await cell.ended(await cell.start(llm, 'hi'));
    expect(end.data.error).toMatchObject({
      code: 'provider_failed',
      detail: expect.stringMatching(/the model fell over/),
    });
  });

  it('asks for a tool in half JSON: is told so, and the tool does not run', async () => {
    await started();
    endpoint.behave('calls a tool in half JSON', 'answers');
    const address = await cell.start(llm, 'hi');
    expect((await cell.ended(address)).data.result).toEqual({ reply: 'whole' });
    const returned = (await cell.events(address)).find(({ type }) => type === 'tool.returned');
    expect(returned?.data).toMatchObject({
      is_error: true,
      result: { message: 'the arguments are not JSON' },
    });
  });

  it('cannot be reached: is tried again, and says why', async () => {
    executor = await startExecutor(cell, { modelBaseUrl: `http://127.0.0.1:${await freePort()}/v1` });
    const end = await cell.ended(await cell.start(llm, 'hi'), 25_000);
    expect(end.data.error).toMatchObject({
      code: 'provider_unavailable',
      detail: expect.stringMatching(/could not be reached: .*ECONNREFUSED/),
    });
  });
});

describe('the time before another try', () => {
  const after = (tries: number, status: number, headers: Record<string, string> = {}, chance = 0.5) =>
    waitBefore(tries, { status, headers: new Headers(headers) }, () => chance);

  it('doubles, give or take a fifth', () => {
    expect([0, 1, 2, 3].map((tries) => after(tries, 503))).toEqual([1_000, 2_000, 4_000, undefined]);
    expect(after(0, 429, {}, 0)).toBeCloseTo(800);
    expect(after(0, 429, {}, 1)).toBeCloseTo(1_200);
  });

  it('is not before Retry-After, in seconds or as a date, and half a minute is the longest', () => {
    expect(after(0, 429, { 'retry-after': '7' })).toBe(7_000);
    expect(after(2, 429, { 'retry-after': '1' })).toBe(4_000);
    expect(after(0, 429, { 'retry-after': '31' })).toBeUndefined();
    const soon = after(0, 503, { 'retry-after': new Date(Date.now() + 20_000).toUTCString() });
    expect(soon).toBeGreaterThan(15_000);
    expect(after(0, 429, { 'retry-after': 'soon' })).toBe(1_000);
  });

  it('is for what may pass: not for a wrong key or a wrong question', () => {
    for (const status of [200, 400, 401, 403, 404, 422]) expect(after(0, status)).toBeUndefined();
    for (const status of [0, 408, 409, 429, 500, 502, 503, 504]) expect(after(0, status)).toBe(1_000);
  });
});
