import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RequestRate } from '../src/limits/request-rate.ts';
import { call } from './calls.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';
import { SseClient } from './sse-client.ts';

describe('requests per minute', () => {
  it('are as many as the limit, each key for itself', () => {
    const rate = new RequestRate(() => 0);
    for (let at = 0; at < 10; at += 1) expect(rate.take('a', 10)).toBeUndefined();
    expect(rate.take('a', 10)).toBeGreaterThan(0);
    expect(rate.take('b', 10)).toBeUndefined();
  });

  it.each([1, 7, 60, 600])('are never more than %i within any sixty seconds, and hardly fewer', (limit) => {
    let now = 0;
    const rate = new RequestRate(() => now);
    const taken: number[] = [];
    // Someone who asks all the time, four times as fast as allowed, for five minutes.
    for (; now < 300_000; now += 15_000 / limit) if (rate.take('a', limit) === undefined) taken.push(now);
    for (const from of taken.filter((_at, index) => index % 7 === 0)) {
      const within = taken.filter((at) => at >= from && at < from + 60_000).length;
      expect(within).toBeLessThanOrEqual(limit);
    }
    expect(taken.length).toBeGreaterThanOrEqual(limit * 4);
  });

  it('Retry-After is enough, whatever was before', () => {
    for (const limit of [1, 2, 10, 100])
      for (const begin of [0, 1, 20_000, 59_000]) {
        let now = begin;
        const rate = new RequestRate(() => now);
        for (let round = 0; round < 5; round += 1) {
          let wait: number | undefined;
          while ((wait = rate.take('a', limit)) === undefined);
          now += wait * 1000;
          expect(rate.take('a', limit)).toBeUndefined();
        }
      }
  });
});

describe('limits of a key', () => {
  let gateway: RunningGateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.stop());

  it('beyond its requests of a minute it is 429 with Retry-After, and nothing happens', async () => {
    const key = await gateway.key({ requests_per_min: 5 });
    const other = await gateway.key();
    const ask = (credential: string): ReturnType<typeof call> =>
      call('POST', `${gateway.url}/agents/run-code/start`, { key: credential, body: { agent_id: 'ticker' } });
    const before = await gateway.stored();
    const answers = [];
    for (let at = 0; at < 8; at += 1) answers.push(await ask(key));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202, 429, 429, 429]);
    expect(await gateway.stored()).toBe(before + 5);
    const refused = answers.at(-1);
    expect(refused?.body).toMatchObject({ code: 'rate_limited', status: 429 });
    const wait = Number(refused?.headers.get('retry-after'));
    expect(wait).toBeGreaterThanOrEqual(1);
    expect(wait).toBeLessThanOrEqual(120);
    expect((await ask(other)).status).toBe(202);
  });

  it('beyond its open streams it is 429, and no run is started for one', async () => {
    const key = await gateway.key({ max_streams: 2 });
    const started = await call('POST', `${gateway.url}/agents/run-code/start`, {
      key,
      body: { agent_id: 'ticker' },
    });
    const url = `${gateway.url}/runs/${String(started.body.run_id)}/stream`;
    const authorization = `Bearer ${key}`;
    const first = await SseClient.open(url, { authorization });
    const second = await SseClient.open(url, { authorization });
    expect(await call('GET', url, { key })).toMatchObject({
      status: 429,
      body: { code: 'too_many_streams' },
    });
    const before = await gateway.stored();
    const third = await call('POST', `${gateway.url}/agents/run-code/stream`, {
      key,
      body: { agent_id: 'ticker' },
    });
    expect(third.status).toBe(429);
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await gateway.stored()).toBe(before);
    first.close();
    await first.until((it) => it.ended !== undefined);
    const again = await SseClient.open(url, { authorization });
    expect([again.response.statusCode, 429]).toContain(again.response.statusCode);
    second.close();
    again.close();
  });
});
