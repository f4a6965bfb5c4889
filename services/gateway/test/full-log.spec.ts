import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call } from './calls.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';

describe('a full log', () => {
  let gateway: RunningGateway;
  let key: string;
  beforeAll(async () => {
    gateway = await startGateway();
    key = await gateway.key();
  });
  afterAll(() => gateway.stop());

  const limit = async (max_bytes: number): Promise<void> => {
    const { streams } = await gateway.connection.jsm();
    await streams.update('RUNS', { max_bytes });
  };

  it('is 503, nothing acknowledged is missing, and room makes it work again', async () => {
    await limit(400_000);
    const input = 'x'.repeat(50_000);
    const started: string[] = [];
    const begun = performance.now();
    let refused = await call('GET', `${gateway.url}/me`, { key });
    for (let attempt = 0; attempt < 20 && refused.status !== 503; attempt += 1) {
      refused = await call('POST', `${gateway.url}/agents/run-code/start`, {
        key,
        body: { agent_id: 'ticker', input },
      });
      if (refused.status === 202) started.push(String(refused.body.run_id));
    }
    expect(refused).toMatchObject({ status: 503, body: { code: 'log_full' } });
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(started.length).toBeGreaterThan(3);
    expect(await gateway.stored()).toBe(started.length);
    for (const runId of started)
      expect((await call('GET', `${gateway.url}/runs/${runId}`, { key })).status).toBe(200);

    await limit(64 * 1024 * 1024);
    expect(
      (
        await call('POST', `${gateway.url}/agents/run-code/start`, {
          key,
          body: { agent_id: 'ticker', input },
        })
      ).status,
    ).toBe(202);
  });
});
