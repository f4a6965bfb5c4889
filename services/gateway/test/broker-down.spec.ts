import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '@runledger/testkit';
import { type Answer, call } from './calls.ts';
import { PretendExecutor } from './pretend-executor.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';
import { SseClient } from './sse-client.ts';

describe('while the broker is down', () => {
  let gateway: RunningGateway;
  let key: string;
  beforeAll(async () => {
    gateway = await startGateway();
    key = await gateway.key();
  });
  afterAll(() => gateway.stop());

  const start = (headers: Record<string, string> = {}): Promise<Answer> =>
    call('POST', `${gateway.url}/agents/run-code/start`, { key, body: { agent_id: 'ticker' }, headers });

  it('every call is 503 with Retry-After; afterwards all is well by itself, and nothing is there twice', async () => {
    const runId = String((await start()).body.run_id);
    const client = await SseClient.open(`${gateway.url}/runs/${runId}/stream`, {
      authorization: `Bearer ${key}`,
    });
    await client.until((it) => it.ids.length === 1);
    await gateway.broker.kill();

    const refused = await Promise.all([
      start(),
      start({ 'idempotency-key': 'across' }),
      call('GET', `${gateway.url}/runs/${runId}`, { key }),
      call('GET', `${gateway.url}/runs/${runId}/events`, { key }),
      call('GET', `${gateway.url}/runs/${runId}/stream`, { key }),
      call('POST', `${gateway.url}/runs/${runId}/stop`, { key, body: {} }),
      call('GET', `${gateway.url}/agents`, { key }),
    ]);
    for (const answer of refused) {
      expect({ status: answer.status, type: answer.headers.get('content-type') }).toEqual({
        status: 503,
        type: 'application/problem+json; charset=utf-8',
      });
      expect(['log_unavailable', 'outcome_unknown']).toContain(answer.body.code);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect((await call('GET', `${gateway.url}/healthz`)).status).toBe(200);
    expect((await call('GET', `${gateway.url}/readyz`)).status).toBe(503);

    await gateway.broker.restart();
    const once = await waitFor(
      async () => {
        const answer = await start({ 'idempotency-key': 'across' });
        return answer.status === 503 ? undefined : answer;
      },
      { describe: 'the gateway takes starts again' },
    );
    expect([200, 202]).toContain(once.status);
    expect((await start({ 'idempotency-key': 'across' })).body.run_id).toBe(once.body.run_id);

    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    await executor.say('after the outage');
    await executor.succeed('done');
    const whole = await call('GET', `${gateway.url}/runs/${runId}/stream`, { key });
    await client.until((it) => it.ended !== undefined || it.ids.length === 4);
    if (client.ids.length < 4) {
      const rest = await SseClient.open(
        `${gateway.url}/runs/${runId}/stream?after=${client.ids.at(-1) ?? 0}`,
        { authorization: `Bearer ${key}` },
      );
      await rest.until((it) => it.ended === 'end');
      expect([...client.ids, ...rest.ids]).toEqual([1, 2, 3, 4]);
    } else expect(client.text).toBe(whole.text);
  }, 60_000);
});
