import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readdir, readFile } from 'node:fs/promises';
import { newIdempotencyKey, RunledgerClient, type HttpTrace } from '../src/index.ts';
import { backoffMs, retryAfterMs } from '../src/backoff.ts';
import { answerJson, PlayedGateway, type Answer } from './played-gateway.ts';

let gateway: PlayedGateway;
let client: RunledgerClient;

beforeEach(async () => {
  gateway = await PlayedGateway.open();
  client = new RunledgerClient({ url: gateway.url, apiKey: gateway.key });
});
afterEach(() => gateway.close());

const START = /\/start$/;
const drop: Answer = (_asked, res) => void res.destroy();
const busy: Answer = (_asked, res) => {
  res.setHeader('retry-after', '1');
  answerJson(res, 503, { code: 'unavailable', title: 'Unavailable', detail: 'the log takes no writes' });
};

describe('starting', () => {
  it('makes a key, and sends the same one again when the answer was lost', async () => {
    gateway.next(START, drop);
    const started = await client.start({ agent_id: 'hello', input: { message: 'hi' } });
    expect(started).toEqual({ run_id: expect.any(String), status: 'queued', seq: 1, replayed: false });
    const [first, second] = gateway.askedFor(START);
    expect(first?.headers['idempotency-key']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(second?.headers['idempotency-key']).toBe(first?.headers['idempotency-key']);
    expect(JSON.parse(second?.body ?? '')).toEqual({ agent_id: 'hello', input: { message: 'hi' } });
  });

  it('says when a given key had started the run before', async () => {
    const options = { idempotencyKey: 'order-7' };
    const first = await client.start({ agent_id: 'hello' }, options);
    const again = await client.start({ agent_id: 'hello' }, options);
    expect(again).toEqual({ ...first, replayed: true });
  });

  it('honours Retry-After of a 503', async () => {
    gateway.next(START, busy);
    const before = performance.now();
    await client.start({ agent_id: 'hello' });
    expect(performance.now() - before).toBeGreaterThan(990);
  });

  it('passes a refusal on at once, with every named field', async () => {
    const errors = [{ in: 'body', pointer: '/limits/max_turns', detail: 'must be a number' }];
    gateway.next(START, (_asked, res) =>
      answerJson(res, 400, {
        code: 'invalid',
        title: 'Invalid',
        detail: 'bad field',
        errors,
        request_id: 'req-9',
      }),
    );
    await expect(client.start({ agent_id: 'hello' })).rejects.toMatchObject({
      name: 'ApiError',
      status: 400,
      code: 'invalid',
      title: 'Invalid',
      detail: 'bad field',
      errors,
      request_id: 'req-9',
    });
    expect(gateway.askedFor(START)).toHaveLength(1);
  });
});

describe('when the way is bad', () => {
  it('gives up after 5 repeats, and names the cause', async () => {
    const statuses = new Array<Answer>(6).fill((_asked, res) => answerJson(res, 502, {}));
    gateway.next(/\/me$/, ...statuses);
    const traces: HttpTrace[] = [];
    const traced = new RunledgerClient({
      url: gateway.url,
      apiKey: gateway.key,
      retryMs: { first: 5, cap: 20 },
      onHttp: (trace) => traces.push(trace),
    });
    await expect(traced.me()).rejects.toMatchObject({ name: 'ApiError', status: 502, code: 'http_502' });
    expect(traces.map(({ attempt, status }) => [attempt, status])).toEqual(
      [0, 1, 2, 3, 4, 5].map((n) => [n, 502]),
    );
    expect(JSON.stringify(traces)).not.toContain(gateway.key);
  });

  it('counts an answer that does not end within the limit as none', async () => {
    gateway.next(
      /\/me$/,
      (_asked, res) => void res.writeHead(200, { 'content-type': 'application/json' }).write('{"a'),
    );
    const hasty = new RunledgerClient({ url: gateway.url, apiKey: gateway.key, timeoutMs: 100 });
    expect(await hasty.me()).toMatchObject({ user_id: 'dev' });
    expect(gateway.askedFor(/\/me$/)).toHaveLength(2);
  });

  it('names a proxy that answers HTML with 200', async () => {
    gateway.next(
      /\/me$/,
      (_asked, res) => void res.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    );
    await expect(client.me()).rejects.toThrow(
      /did not answer like a Runledger gateway: status 200 with text\/html/,
    );
  });

  it('stops waiting when it is told to', async () => {
    gateway.next(/\/me$/, busy);
    const abort = new AbortController();
    const asking = client.me({ signal: abort.signal });
    setTimeout(() => abort.abort(), 50);
    await expect(asking).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('refuses ids that would change the path', async () => {
    await expect(client.getRun('..')).rejects.toThrow(TypeError);
    await expect(client.getRun('a/../b')).rejects.toMatchObject({ status: 404 });
    expect(gateway.asked.at(-1)?.path).toBe('/runs/a%2F..%2Fb');
  });
});

describe('reading', () => {
  it('lists runs page after page, with filters', async () => {
    for (let i = 0; i < 5; i++) gateway.run(`run-${i}`);
    const ids: string[] = [];
    const query = { limit: 2, status: ['running', 'queued'], label: { key: 'env', value: 'x:y' } } as const;
    for await (const run of client.eachRun(query)) ids.push(run.run_id);
    expect(ids).toEqual(['run-4', 'run-3', 'run-2', 'run-1', 'run-0']);
    const asked = gateway.asked[0];
    expect(asked?.query.get('status')).toBe('running,queued');
    expect(asked?.query.getAll('label')).toEqual(['env:x:y']);
  });

  it('reads events as a page, and all of them as stored lines', async () => {
    const run = gateway.run('r1');
    for (let i = 0; i < 5; i++) run.append('log.written', { message: String(i) });
    const page = await client.events('r1', { after: 1, limit: 2 });
    expect(page).toMatchObject({ events: [{ seq: 2 }, { seq: 3 }], next_after: 3, has_more: true });
    const lines: string[] = [];
    for await (const event of client.eachEvent('r1', { after: 1, pageSize: 2 })) lines.push(event.line);
    expect(lines).toEqual(run.lines.slice(1));
  });

  it('refuses a page with a hole', async () => {
    const run = gateway.run('r1').append('a.b').append('a.c').append('a.d');
    gateway.next(/\/events$/, (_asked, res) => {
      res.writeHead(200, { 'content-type': 'application/x-ndjson' });
      res.end(`${run.lines[0]}\n${run.lines[2]}\n`);
    });
    const reading = async (): Promise<void> => {
      for await (const event of client.eachEvent('r1')) expect(event.seq).toBe(1);
    };
    await expect(reading()).rejects.toThrow('event 3 came after event 1');
  });

  it('stops a run, and says 409 when it has ended', async () => {
    const run = gateway.run('r1');
    expect(await client.stop('r1', { mode: 'kill', reason: 'enough' })).toEqual({
      run_id: 'r1',
      status: 'stopping',
    });
    expect(JSON.parse(gateway.asked.at(-1)?.body ?? '')).toEqual({ mode: 'kill', reason: 'enough' });
    run.append('run.stopped');
    await expect(client.stop('r1')).rejects.toMatchObject({ status: 409, code: 'run_already_ended' });
  });

  it('steers a run: each call is one request with what was said', async () => {
    gateway.run('r1').append('run.requested');
    const answer = (seq: number) => ({ run_id: 'r1', status: 'running', seq });
    expect(await client.pause('r1', { reason: 'lunch' })).toEqual(answer(2));
    expect(await client.resume('r1')).toEqual(answer(3));
    expect(await client.raiseLimits('r1', { max_cost_usd: 2 })).toEqual(answer(4));
    expect(await client.resolveOutcome('r1', 'c/1', { choice: 'mark_done', result: null })).toEqual(
      answer(5),
    );
    expect(await client.decideApproval('r1', 'a1', { decision: 'deny', reason: 'no' })).toEqual(answer(6));
    expect(gateway.asked.map(({ method, path, body }) => [method, path, JSON.parse(body)])).toEqual([
      ['POST', '/runs/r1/pause', { reason: 'lunch' }],
      ['POST', '/runs/r1/resume', {}],
      ['POST', '/runs/r1/limits', { max_cost_usd: 2 }],
      ['POST', '/runs/r1/outcomes/c%2F1', { choice: 'mark_done', result: null }],
      ['POST', '/runs/r1/approvals/a1', { decision: 'deny', reason: 'no' }],
    ]);
    await expect(client.resolveOutcome('r1', '..', { choice: 'skip' })).rejects.toThrow(TypeError);
  });

  it('sends a nudge again under the same key when the answer was lost', async () => {
    gateway.run('r1');
    gateway.next(/nudges$/, drop);
    expect(await client.nudge('r1', 'hurry')).toEqual({ nudge_id: 'n1', seq: 1 });
    const [first, second] = gateway.askedFor(/nudges$/);
    expect(first?.headers['idempotency-key']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(second?.headers['idempotency-key']).toBe(first?.headers['idempotency-key']);
    expect(JSON.parse(second?.body ?? '')).toEqual({ message: 'hurry' });
  });

  it('reads the tree of a run', async () => {
    const tree = { run_id: 'r1', status: 'running', runs: [], truncated: false };
    gateway.run('r1').tree = tree;
    expect(await client.tree('r1')).toEqual(tree);
  });

  it('takes a readiness of 503 for an answer', async () => {
    gateway.next(/readyz/, (_asked, res) => answerJson(res, 503, { checks: { broker: 'down' } }));
    expect(await client.ready()).toMatchObject({
      ok: false,
      status: 503,
      body: { checks: { broker: 'down' } },
    });
    expect(await client.health()).toMatchObject({ ok: true, status: 200, server_time: expect.any(Date) });
  });
});

describe('the arithmetic of patience', () => {
  it('doubles up to the cap, with half of it random', () => {
    const wait = (attempt: number, luck: number): number =>
      backoffMs({ first: 500, cap: 5000 }, attempt, () => luck);
    expect([0, 1, 2, 3, 4, 50].map((n) => wait(n, 0))).toEqual([250, 500, 1000, 2000, 2500, 2500]);
    expect([0, 1, 2, 3, 4, 50].map((n) => wait(n, 1))).toEqual([500, 1000, 2000, 4000, 5000, 5000]);
  });

  it('reads Retry-After as seconds or as a date', () => {
    const now = Date.parse('2026-11-21T10:00:00Z');
    expect(retryAfterMs('3', now)).toBe(3000);
    expect(retryAfterMs('Sat, 21 Nov 2026 10:00:05 GMT', now)).toBe(5000);
    expect(retryAfterMs('Sat, 21 Nov 2026 09:00:05 GMT', now)).toBe(0);
    expect(retryAfterMs('soon', now)).toBeNull();
    expect(retryAfterMs(null, now)).toBeNull();
  });

  it('makes keys that carry the time and never repeat', () => {
    expect(newIdempotencyKey(0)).toMatch(/^0{10}/);
    expect(newIdempotencyKey(2 ** 48 - 1)).toMatch(/^7ZZZZZZZZZ/);
    expect(new Set(Array.from({ length: 1000 }, () => newIdempotencyKey(5))).size).toBe(1000);
  });
});

it('uses nothing that a browser lacks', async () => {
  const folder = new URL('../src/', import.meta.url);
  const names = await readdir(folder, { recursive: true });
  for (const name of names.filter((name) => name.endsWith('.ts'))) {
    const source = await readFile(new URL(name, folder), 'utf8');
    expect(`${name}: ${source.match(/node:|\bprocess\.|\bBuffer\b|\brequire\(/)?.[0] ?? 'clean'}`).toBe(
      `${name}: clean`,
    );
  }
});
