import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MAX_WAITING_BYTES, SseReader } from '../src/stream/sse-reader.ts';
import { SseClient } from './sse-client.ts';

const FRAME = `id: 1\nevent: log.written\ndata: ${'x'.repeat(8_000)}\n\n`;
/** For those that are to be cut. */
const STALL_MS = 300;
/** For those that are not: a busy machine may keep a client from reading for a while. */
const PATIENCE_MS = 30_000;

describe('a reader of a stream', () => {
  let server: Server;
  let client: SseClient;
  let answer: ServerResponse;

  const readerWith = (patienceMs: number): SseReader =>
    new SseReader(answer, { graceMs: patienceMs, stallMs: patienceMs });

  beforeEach(async () => {
    server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const response = new Promise<ServerResponse>((resolve) =>
      server.once('request', (_request, response_) => resolve(response_)),
    );
    const opening = SseClient.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {});
    answer = await response;
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    answer.flushHeaders();
    client = await opening;
  });

  afterEach(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });

  it('takes a replay of any size at its own pace, with little waiting at any time', async () => {
    const reader = readerWith(PATIENCE_MS);
    const frames = Array.from({ length: 2_000 }, () => FRAME);
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, reader.waitingBytes)), 1);
    expect(await reader.replay(frames)).toBe(true);
    clearInterval(watch);
    reader.end();
    await client.until((it) => it.ended === 'end');
    expect(client.text).toBe(frames.join(''));
    expect(most).toBeLessThan(MAX_WAITING_BYTES);
    expect(reader.cut).toBeUndefined();
  });

  it('that stops in the middle of a replay is cut after a while, with little waiting', async () => {
    const reader = readerWith(STALL_MS);
    client.stopReading();
    const begun = performance.now();
    expect(await reader.replay(Array.from({ length: 5_000 }, () => FRAME))).toBe(false);
    expect(reader.cut).toBe('stalled_reader');
    expect(reader.gone.aborted || reader.waitingBytes < MAX_WAITING_BYTES).toBe(true);
    expect(performance.now() - begun).toBeGreaterThanOrEqual(STALL_MS - 50);
  });

  it('that does not read what is live is cut once more than 256 KiB wait', async () => {
    const reader = readerWith(STALL_MS);
    client.stopReading();
    let pushed = 0;
    let waited = 0;
    while (await reader.push(FRAME)) {
      pushed += 1;
      waited = Math.max(waited, reader.waitingBytes);
      if (pushed > 5_000) throw new Error('never cut');
    }
    expect(reader.cut).toBe('slow_reader');
    expect(waited).toBeLessThanOrEqual(MAX_WAITING_BYTES + FRAME.length + 100);
    if (!reader.gone.aborted) await once(reader.gone, 'abort');
    expect(await reader.push(FRAME)).toBe(false);
  });

  it('is offered no more than 256 KiB and what one write holds; who does not take it is cut', async () => {
    const reader = readerWith(STALL_MS);
    client.stopReading();
    const bytes = Buffer.from(FRAME);
    let offered = 0;
    while (reader.offer(bytes)) {
      offered += 1;
      expect(reader.waitingBytes).toBeLessThanOrEqual(MAX_WAITING_BYTES + bytes.length + 100);
      if (offered > 5_000) throw new Error('never refused');
      // The kernel takes what it takes in its own time.
      if (offered % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(reader.waitingBytes).toBeLessThanOrEqual(MAX_WAITING_BYTES + bytes.length + 100);
    expect(await reader.recover()).toBe(false);
    expect(reader.cut).toBe('slow_reader');
  });

  it('that takes what waited for it is offered more, and has every byte', async () => {
    const reader = readerWith(PATIENCE_MS);
    const bytes = Buffer.from(FRAME);
    let refused = 0;
    for (let offered = 0; offered < 2_000; offered += 1) {
      if (reader.offer(bytes)) continue;
      refused += 1;
      expect(await reader.recover()).toBe(true);
      expect(reader.waitingBytes).toBe(0);
      offered -= 1;
    }
    reader.end();
    await client.until((it) => it.ended === 'end');
    expect(refused).toBeGreaterThan(0);
    expect(client.text).toBe(FRAME.repeat(2_000));
    expect(reader.cut).toBeUndefined();
  });

  it('that is only slower than the run is not cut, and has little waiting', async () => {
    const reader = readerWith(PATIENCE_MS);
    const total = 1_000;
    let most = 0;
    client.response.pause();
    const nibble = setInterval(() => client.response.read(64 * 1024), 5);
    for (let pushed = 0; pushed < total; pushed += 1) {
      expect(await reader.push(FRAME)).toBe(true);
      most = Math.max(most, reader.waitingBytes);
    }
    clearInterval(nibble);
    client.response.resume();
    reader.end();
    await client.until((it) => it.ended === 'end');
    expect(most).toBeLessThanOrEqual(MAX_WAITING_BYTES + FRAME.length + 100);
    expect(reader.cut).toBeUndefined();
  });

  it('that has left ends a replay, and nothing is counted as cut', async () => {
    const reader = readerWith(PATIENCE_MS);
    client.stopReading();
    const replay = reader.replay(Array.from({ length: 5_000 }, () => FRAME));
    client.close();
    expect(await replay).toBe(false);
    expect(reader.cut).toBeUndefined();
  });
});
