import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PROBLEMS } from '../src/problem/codes.ts';
import { call } from './calls.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';
import { SseClient } from './sse-client.ts';

describe('what operators and readers of the API see', () => {
  let gateway: RunningGateway;
  let key: string;
  beforeAll(async () => {
    gateway = await startGateway();
    key = await gateway.key();
  });
  afterAll(() => gateway.stop());

  it('metrics count requests by route pattern and status, and open streams', async () => {
    const { run_id } = (
      await call('POST', `${gateway.url}/agents/run-code/start`, { key, body: { agent_id: 'ticker' } })
    ).body;
    await call('GET', `${gateway.url}/runs/${String(run_id)}`, { key });
    await call('GET', `${gateway.url}/runs/${String(run_id)}`);
    const client = await SseClient.open(`${gateway.url}/runs/${String(run_id)}/stream`, {
      authorization: `Bearer ${key}`,
    });
    const { text } = await call('GET', `${gateway.url}/metrics`);
    expect(text).toMatch(
      /runledger_http_requests_total\{method="POST",route="\/agents\/run-code\/start",status="202"[^}]*\} 1/,
    );
    expect(text).toMatch(
      /runledger_http_requests_total\{method="GET",route="\/runs\/:run_id",status="200"[^}]*\} 1/,
    );
    expect(text).toMatch(
      /runledger_http_requests_total\{method="GET",route="\/runs\/:run_id",status="401"[^}]*\} 1/,
    );
    expect(text).toMatch(/runledger_open_streams(\{[^}]*\})? 1/);
    expect(text).not.toContain(String(run_id));
    client.close();
  });

  it('healthz and readyz need no credential', async () => {
    expect(await call('GET', `${gateway.url}/healthz`)).toMatchObject({
      status: 200,
      body: { status: 'ok' },
    });
    expect(await call('GET', `${gateway.url}/readyz`)).toMatchObject({
      status: 200,
      body: { status: 'ready', checks: { broker: 'ok', views: 'ok' } },
    });
  });

  it('the document and its page are self-contained', async () => {
    expect((await call('GET', `${gateway.url}/openapi.json`)).body).toMatchObject({ openapi: '3.1.0' });
    const page = await call('GET', `${gateway.url}/docs`);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(page.text).not.toMatch(/<script|https?:\/\//);
    for (const code of Object.keys(PROBLEMS)) expect(page.text).toContain(`id="problem-${code}"`);
  });

  it('every code of a problem is in docs/reference/errors.md, and the reverse', async () => {
    const text = await readFile(new URL('../../../docs/reference/errors.md', import.meta.url), 'utf8');
    const rows = [...text.matchAll(/^\| `([a-z_]+)` +\| (\d+) +\|/gm)].map(
      (match) => `${match[1]} ${match[2]}`,
    );
    expect(rows.sort()).toEqual(
      Object.entries(PROBLEMS)
        .map(([code, { status }]) => `${code} ${status}`)
        .sort(),
    );
  });

  it('gives no permission to other origins, and answers no preflight', async () => {
    const answer = await call('GET', `${gateway.url}/me`, {
      key,
      headers: { origin: 'https://elsewhere.example' },
    });
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    expect(
      (await call('OPTIONS', `${gateway.url}/me`, { headers: { origin: 'https://elsewhere.example' } }))
        .status,
    ).toBe(404);
  });

  it('a HEAD of a stream does not hang', async () => {
    expect(
      (await call('HEAD', `${gateway.url}/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/stream`, { key })).status,
    ).toBe(404);
  });
});
