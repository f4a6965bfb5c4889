import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { waitFor } from '@runledger/testkit';
import { chainDigest } from '@runledger/wire';
import { HEARTBEAT_SLOTS } from '../src/stream/heartbeats.ts';
import { OpenStreams, PING_EVERY_MS } from '../src/stream/open-streams.ts';
import { call } from './calls.ts';
import { PretendExecutor } from './pretend-executor.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';
import { SseClient } from './sse-client.ts';

describe('the stream of a run', () => {
  let gateway: RunningGateway;
  let key: string;
  let auth: Record<string, string>;
  let streams: OpenStreams;
  beforeAll(async () => {
    let app: NestFastifyApplication | undefined;
    gateway = await startGateway({ beforeInit: (made) => (app = made) });
    streams = (app as unknown as NestFastifyApplication).get(OpenStreams);
    key = await gateway.key();
    auth = { authorization: `Bearer ${key}` };
  });
  afterAll(() => gateway.stop());

  const startRun = async (): Promise<string> =>
    String(
      (await call('POST', `${gateway.url}/agents/run-code/start`, { key, body: { agent_id: 'ticker' } })).body
        .run_id,
    );
  const streamUrl = (runId: string, query = ''): string => `${gateway.url}/runs/${runId}/stream${query}`;
  const storedLines = async (runId: string): Promise<string[]> =>
    (await gateway.runLog.page({ tenant_id: 'acme', run_id: runId }, 0, 1000)).lines.map(
      (stored) => stored.line,
    );

  it('replays, goes live, closes after the end; the bytes are the stored ones and give the run’s digest', async () => {
    const runId = await startRun();
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    await executor.say('before');
    const client = await SseClient.open(streamUrl(runId), auth);
    await client.until((it) => it.ids.length === 3);
    await executor.say('live ☃ "quoted" \u2028 line', 'two\nlines');
    await client.until((it) => it.ids.length === 5);
    await executor.succeed('done');
    await client.until((it) => it.ended === 'end');
    expect(client.text.startsWith('retry: 1000\n\n')).toBe(true);
    expect(client.ids).toEqual([1, 2, 3, 4, 5, 6]);
    expect(client.lines).toEqual(await storedLines(runId));
    const run = await call('GET', `${gateway.url}/runs/${runId}`, { key });
    expect(run.body).toMatchObject({
      status: 'success',
      result: 'done',
      digest: chainDigest('', client.lines),
    });
    const again = await call('GET', streamUrl(runId), { key });
    expect(again.text).toBe(client.text);
  });

  it('has the headers that keep proxies from holding it back', async () => {
    const runId = await startRun();
    const client = await SseClient.open(streamUrl(runId), auth);
    expect(client.response.statusCode).toBe(200);
    expect(client.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    });
    expect(client.response.headers['x-request-id']).toMatch(/^[0-9A-Z]{26}$/);
    client.close();
  });

  it('is kept alive by a comment to all readers at once, which is no event', async () => {
    const runId = await startRun();
    const clients = await Promise.all([1, 2].map(() => SseClient.open(streamUrl(runId, '?after=1'), auth)));
    for (const client of clients) await client.until((it) => it.text === 'retry: 1000\n\n');
    for (let slot = 0; slot < HEARTBEAT_SLOTS; slot += 1) streams.heartbeats.tick();
    for (const client of clients) await client.until((it) => it.text === 'retry: 1000\n\n: ping\n\n');
    for (const client of clients) client.close();
    expect(PING_EVERY_MS).toBe(15_000);
  });

  it('resumes after Last-Event-ID, which goes before ?after=', async () => {
    const runId = await startRun();
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    await executor.say('a', 'b');
    await executor.succeed('done');
    const whole = await call('GET', streamUrl(runId), { key });
    const frames = whole.text.replace('retry: 1000\n\n', '').split(/(?<=\n\n)/);
    for (let after = 0; after < 5; after += 1) {
      const resumed = await call('GET', streamUrl(runId, '?after=4'), {
        key,
        headers: { 'last-event-id': String(after) },
      });
      expect(resumed.text).toBe(`retry: 1000\n\n${frames.slice(after).join('')}`);
    }
    const byQuery = await call('GET', streamUrl(runId, '?after=3'), { key });
    expect(byQuery.text).toBe(`retry: 1000\n\n${frames.slice(3).join('')}`);
  });

  it('a cursor at the end of an ended run is 204, beyond the end 400', async () => {
    const runId = await startRun();
    await call('POST', `${gateway.url}/runs/${runId}/stop`, { key, body: {} });
    const last = (await storedLines(runId)).length;
    expect((await call('GET', streamUrl(runId, `?after=${last}`), { key })).status).toBe(204);
    const beyond = await call('GET', streamUrl(runId), { key, headers: { 'last-event-id': `${last + 1}` } });
    expect(beyond).toMatchObject({ status: 400, body: { code: 'invalid_cursor' } });
    const events = `${gateway.url}/runs/${runId}/events?after=${last + 1}`;
    expect((await call('GET', events, { key })).status).toBe(400);
  });

  it('a cursor at the last event of a live run waits for the next', async () => {
    const runId = await startRun();
    const client = await SseClient.open(streamUrl(runId, '?after=1'), auth);
    await client.until((it) => it.text === 'retry: 1000\n\n');
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    await client.until((it) => it.ids.length === 1);
    expect(client.ids).toEqual([2]);
    await executor.release();
    client.close();
  });

  it('?types= leaves the others out, and still ends', async () => {
    const runId = await startRun();
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    await executor.say('a', 'b');
    const client = await SseClient.open(streamUrl(runId, '?types=log.written,run.started'), auth);
    await executor.say('c');
    await executor.succeed('done');
    await client.until((it) => it.ended === 'end');
    expect(client.ids).toEqual([2, 3, 4, 5]);
  });

  it('POST /agents/run-code/stream answers with the run’s own; closing it changes nothing', async () => {
    const response = await fetch(`${gateway.url}/agents/run-code/stream`, {
      method: 'POST',
      headers: { ...auth, 'content-type': 'application/json' },
      body: JSON.stringify({ agent_id: 'ticker' }),
    });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    let text = '';
    while (!text.includes('\n\nid: 1\n') || !text.endsWith('\n\n'))
      text += new TextDecoder().decode((await reader.read()).value);
    const first = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? '') as { type: string; run_id: string };
    expect(first).toMatchObject({ type: 'run.requested' });
    expect(response.headers.get('location')).toBe(`/runs/${first.run_id}`);
    await reader.cancel();
    const executor = await PretendExecutor.begin(gateway.runLog, first.run_id);
    await executor.succeed('on its own');
    expect((await call('GET', `${gateway.url}/runs/${first.run_id}`, { key })).body).toMatchObject({
      status: 'success',
      result: 'on its own',
    });
  });

  it('twenty readers of one run see the same bytes', async () => {
    const runId = await startRun();
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    const clients: SseClient[] = [];
    for (let round = 0; round < 20; round += 1) {
      clients.push(await SseClient.open(streamUrl(runId), auth));
      await executor.say(`round ${round}`, `and ${round}`);
    }
    await executor.succeed('done');
    await Promise.all(clients.map((client) => client.until((it) => it.ended === 'end')));
    const lines = await storedLines(runId);
    expect(lines).toHaveLength(43);
    for (const client of clients) expect(client.lines).toEqual(lines);
  });

  it('a reader that does not read is cut, and others are not; it resumes where it was', async () => {
    const runId = await startRun();
    const executor = await PretendExecutor.begin(gateway.runLog, runId);
    const lazy = await SseClient.open(streamUrl(runId), auth);
    const eager = await SseClient.open(streamUrl(runId), auth);
    await lazy.until((it) => it.ids.length === 2);
    lazy.stopReading();
    const text = 'x'.repeat(60_000);
    const cuts = async (): Promise<true | undefined> =>
      /runledger_streams_cut_total\{[^}]*slow_reader[^}]*\} 1/.test(
        (await call('GET', `${gateway.url}/metrics`)).text,
      ) || undefined;
    for (let round = 0; round < 100 && !(await cuts()); round += 1)
      await executor.say(...Array.from({ length: 3 }, () => text));
    await waitFor(cuts, { describe: 'the reader is cut' });
    await executor.succeed('done');
    await eager.until((it) => it.ended === 'end');
    expect(eager.lines).toEqual(await storedLines(runId));

    lazy.response.resume();
    lazy.response.socket.resume();
    await lazy.until((it) => it.ended !== undefined);
    expect(lazy.ended).toBe('cut');
    const seen = lazy.lines.length;
    expect(seen).toBeLessThan(eager.lines.length);
    const rest = await SseClient.open(streamUrl(runId, `?after=${seen}`), auth);
    await rest.until((it) => it.ended === 'end');
    expect([...lazy.lines, ...rest.lines]).toEqual(eager.lines);
  });

  it('a server that stops ends its streams without a word, and is gone', async () => {
    const other = await startGateway();
    const otherKey = await other.key();
    const { run_id } = (
      await call('POST', `${other.url}/agents/run-code/start`, {
        key: otherKey,
        body: { agent_id: 'ticker' },
      })
    ).body;
    const client = await SseClient.open(`${other.url}/runs/${String(run_id)}/stream`, {
      authorization: `Bearer ${otherKey}`,
    });
    await client.until((it) => it.ids.length === 1);
    const before = client.text;
    const begun = performance.now();
    await other.stop();
    await client.until((it) => it.ended === 'end');
    expect(client.text).toBe(before);
    expect(performance.now() - begun).toBeLessThan(5_000);
  });
});
