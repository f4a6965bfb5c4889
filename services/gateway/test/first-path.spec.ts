import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call } from './calls.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';

describe('start, read, stream, stop', () => {
  let gateway: RunningGateway;
  let key: string;
  beforeAll(async () => {
    gateway = await startGateway();
    key = await gateway.key();
  });
  afterAll(() => gateway.stop());

  it('starts a run, reads it and stops it; the stream is the stored lines', async () => {
    const started = await call('POST', `${gateway.url}/agents/run-code/start`, {
      key,
      body: { agent_id: 'ticker', input: { count: 2 } },
    });
    expect(started).toMatchObject({ status: 202, body: { status: 'queued', seq: 1 } });
    const runId = String(started.body.run_id);
    expect(started.headers.get('location')).toBe(`/runs/${runId}`);
    expect(started.headers.get('x-request-id')).toMatch(/^[0-9A-Z]{26}$/);

    const read = await call('GET', `${gateway.url}/runs/${runId}`, { key });
    expect(read).toMatchObject({
      status: 200,
      body: {
        run_id: runId,
        status: 'queued',
        input: { count: 2 },
        limits: { max_cost_usd: 0.5, max_attempts: 3 },
      },
    });

    const stopped = await call('POST', `${gateway.url}/runs/${runId}/stop`, {
      key,
      body: { reason: 'enough' },
    });
    expect(stopped).toMatchObject({ status: 202, body: { run_id: runId, status: 'stopped' } });

    const page = await gateway.runLog.page({ tenant_id: 'acme', run_id: runId }, 0, 100);
    const stream = await call('GET', `${gateway.url}/runs/${runId}/stream`, { key });
    const frames = page.lines.map(
      (stored) => `id: ${stored.seq}\nevent: ${stored.type}\ndata: ${stored.line}\n\n`,
    );
    expect(stream.text).toBe(`retry: 1000\n\n${frames.join('')}`);
    expect(page.lines.map((stored) => stored.type)).toEqual([
      'run.requested',
      'stop.requested',
      'stop.observed',
      'run.stopped',
    ]);
  });
});
