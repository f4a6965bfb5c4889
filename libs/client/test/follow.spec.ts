import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunledgerClient, type FollowOptions, type Reconnect, type StoredEvent } from '../src/index.ts';
import { answerJson, frameOf, PlayedGateway, sse, type Answer, type PlayedRun } from './played-gateway.ts';

const RUN = '01JD0000000000000000000000';
const QUICK = { watchdogMs: 1_000, reconnectMs: { first: 5, cap: 20 }, pollLadder: [5, 10] };

let gateway: PlayedGateway;
let client: RunledgerClient;
let run: PlayedRun;

beforeEach(async () => {
  gateway = await PlayedGateway.open();
  client = new RunledgerClient({ url: gateway.url, apiKey: gateway.key });
  run = gateway.run(RUN);
});
afterEach(() => gateway.close());

const STREAM = /\/stream$/;

async function collect(events: AsyncIterable<StoredEvent>): Promise<string[]> {
  const lines: string[] = [];
  for await (const event of events) lines.push(event.line);
  return lines;
}

/** A finished run with text that needs several bytes per character. */
function finished(count = 6): string[] {
  run.append('run.requested', { agent_id: 'hello' });
  while (run.lines.length < count - 1)
    run.append('log.written', { message: `grüße ☃ 🚀 ${run.lines.length}` });
  run.append('run.succeeded', { result: { reply: 'ok' } });
  return run.lines;
}

/** Sends these bytes of the stream and cuts the connection. */
const cutAfter =
  (bytes: (after: number) => Buffer): Answer =>
  (asked, res) => {
    sse(res).write(bytes(Number(asked.headers['last-event-id'] ?? 0)), () => res.destroy());
  };

const frames = (after: number, to: number, eol?: string): string =>
  run.lines
    .slice(after, to)
    .map((line) => frameOf(line, eol))
    .join('');

describe('following a run', () => {
  it('brings every event once and in order, replay before live, and ends after the last', async () => {
    run.append('run.requested').append('run.started');
    const events = client.follow(RUN, QUICK);
    const first = (await events.next()).value as StoredEvent;
    expect(first).toMatchObject({
      seq: 1,
      type: 'run.requested',
      line: run.lines[0],
      event: { run_id: RUN },
    });
    run.append('milestone.reached', { name: 'half' }).append('run.succeeded', { result: 1 });
    expect(await collect(events)).toEqual(run.lines.slice(1));
  });

  it('resumes after a cut at every single byte of the stream, inside frames and characters', async () => {
    const lines = finished(3);
    const whole = Buffer.from(frames(0, 3));
    for (let at = 0; at < whole.length; at += 7) {
      gateway.next(
        STREAM,
        cutAfter(() => whole.subarray(0, at)),
      );
      expect(await collect(client.follow(RUN, QUICK))).toEqual(lines);
    }
    const resumed = gateway.askedFor(STREAM).map((asked) => asked.headers['last-event-id']);
    expect(new Set(resumed)).toEqual(new Set([undefined, '1', '2']));
  });

  it('resumes after a cut in the middle of a character', async () => {
    const lines = finished(3);
    const rocket = Buffer.from(frames(0, 3)).indexOf(Buffer.from('🚀')) + 2;
    gateway.next(
      STREAM,
      cutAfter((after) => Buffer.from(frames(after, 3)).subarray(0, rocket)),
    );
    expect(await collect(client.follow(RUN, QUICK))).toEqual(lines);
  });

  it('takes bytes that are no UTF-8 for damage, never for an event', async () => {
    const lines = finished(3);
    const bytes = Buffer.from(frames(0, 3));
    bytes[bytes.indexOf(Buffer.from('☃'))] = 0xff;
    gateway.next(
      STREAM,
      cutAfter(() => bytes),
    );
    expect(await collect(client.follow(RUN, QUICK))).toEqual(lines);
  });

  it('gives up a silent connection and resumes', async () => {
    const lines = finished();
    const reasons: string[] = [];
    gateway.next(STREAM, (_asked, res) => void sse(res).write(frames(0, 2)));
    const onReconnect = ({ reason }: Reconnect): void => void reasons.push(reason);
    expect(await collect(client.follow(RUN, { ...QUICK, onReconnect }))).toEqual(lines);
    expect(reasons).toEqual(['no byte for 1000 ms']);
    expect(gateway.askedFor(STREAM)[1]?.headers['last-event-id']).toBe('2');
  });

  it('takes pings for life', async () => {
    const lines = finished();
    gateway.next(STREAM, async (_asked, res) => {
      sse(res).write(frames(0, 1));
      for (let i = 0; i < 8; i++) {
        await sleep(50);
        res.write(': ping\n\n');
      }
      res.end(frames(1, 6));
    });
    const reconnects: Reconnect[] = [];
    expect(await collect(client.follow(RUN, { ...QUICK, onReconnect: (r) => reconnects.push(r) }))).toEqual(
      lines,
    );
    expect(reconnects).toEqual([]);
  });

  it('leaves out what it has already when a server sends it again', async () => {
    const lines = finished();
    gateway.next(
      STREAM,
      cutAfter(() => Buffer.from(frames(0, 3))),
      (_asked, res) => void sse(res).end(frames(0, 4) + frames(2, 6)),
    );
    expect(await collect(client.follow(RUN, QUICK))).toEqual(lines);
  });

  it('never passes on what comes after a hole', async () => {
    const lines = finished();
    const hole = frames(0, 2) + frames(3, 6);
    gateway.next(STREAM, (_asked, res) => void sse(res).end(hole));
    const reasons: string[] = [];
    const onReconnect = ({ reason, after }: Reconnect): void => void reasons.push(`${after}: ${reason}`);
    expect(await collect(client.follow(RUN, { ...QUICK, onReconnect }))).toEqual(lines);
    expect(reasons).toEqual(['2: event 4 came after event 2']);
  });

  it.each([
    ['an id that is not the event', (line: string) => frameOf(line).replace('id: 1', 'id: 2')],
    ['an event of another run', (line: string) => frameOf(line.replace(RUN, `${RUN.slice(0, -1)}9`))],
    ['a line that is no JSON', () => 'id: 1\nevent: run.requested\ndata: {"seq":1,\n\n'],
  ])('does not believe %s', async (_name, damage) => {
    const lines = finished(3);
    gateway.next(STREAM, (_asked, res) => void sse(res).end(damage(lines[0] ?? '')));
    expect(await collect(client.follow(RUN, QUICK))).toEqual(lines);
  });

  it('reads CRLF frames, comments and frames without an id', async () => {
    const lines = finished();
    const extra = ': hello\r\n\r\nevent: note\r\ndata: {"run_id":"x"}\r\n\r\n';
    gateway.next(STREAM, (_asked, res) => void sse(res).end(extra + frames(0, 6, '\r\n')));
    expect(await collect(client.follow(RUN, QUICK))).toEqual(lines);
    expect(gateway.askedFor(STREAM)).toHaveLength(1);
  });

  it('waits as long as Retry-After asks on 503 and 429', async () => {
    const lines = finished();
    const busy =
      (status: number): Answer =>
      (_asked, res) => {
        res.setHeader('retry-after', '1');
        answerJson(res, status, { code: 'unavailable', title: 'Busy', detail: 'log' });
      };
    gateway.next(STREAM, busy(503), busy(429));
    const delays: number[] = [];
    const onReconnect = ({ delayMs }: Reconnect): void => void delays.push(delayMs);
    const started = performance.now();
    expect(await collect(client.follow(RUN, { ...QUICK, onReconnect }))).toEqual(lines);
    expect(delays).toEqual([1000, 1000]);
    expect(performance.now() - started).toBeGreaterThan(1900);
  });

  it('takes the first wait from retry:', async () => {
    finished();
    gateway.next(STREAM, (_asked, res) => void sse(res).end('retry: 80\n\n'));
    const delays: number[] = [];
    const options = { ...QUICK, reconnectMs: { first: 5, cap: 1000 } };
    const onReconnect = ({ delayMs }: Reconnect): void => void delays.push(delayMs);
    await collect(client.follow(RUN, { ...options, onReconnect }));
    expect(delays).toHaveLength(1);
    expect(delays[0]).toBeGreaterThanOrEqual(40);
    expect(delays[0]).toBeLessThanOrEqual(80);
  });

  it('waits longer each time, and starts again after a good frame', async () => {
    const lines = finished();
    const drop: Answer = (_asked, res) => void res.destroy();
    gateway.next(
      STREAM,
      drop,
      drop,
      drop,
      drop,
      cutAfter(() => Buffer.from(frames(0, 2))),
      drop,
    );
    const seen: number[] = [];
    const unstable: number[] = [];
    const options: FollowOptions = {
      ...QUICK,
      onReconnect: (reconnect) => void seen.push(reconnect.consecutive),
      onUnstable: (reconnect) => void unstable.push(reconnect.consecutive),
    };
    expect(await collect(client.follow(RUN, options))).toEqual(lines);
    expect(seen).toEqual([1, 2, 3, 4, 1, 2]);
    expect(unstable).toEqual([3]);
  });

  it('ends at once on 204, for a cursor at the last event of an ended run', async () => {
    const lines = finished();
    expect(await collect(client.follow(RUN, { ...QUICK, after: lines.length }))).toEqual([]);
    expect(gateway.askedFor(STREAM)).toHaveLength(1);
  });

  it.each([400, 401, 403, 404, 410])('throws a %d with the server words and asks no more', async (status) => {
    finished();
    gateway.next(STREAM, (_asked, res) =>
      answerJson(res, status, { code: 'nope', title: 'No', detail: 'because', request_id: 'r-1' }),
    );
    await expect(collect(client.follow(RUN, QUICK))).rejects.toMatchObject({
      name: 'ApiError',
      status,
      code: 'nope',
      title: 'No',
      detail: 'because',
      request_id: 'r-1',
    });
    expect(gateway.askedFor(STREAM)).toHaveLength(1);
  });

  it('stops when it is told to, also in a silent connection', async () => {
    run.append('run.requested');
    const abort = new AbortController();
    const events = client.follow(RUN, { signal: abort.signal });
    await events.next();
    const waiting = events.next();
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('following where no stream gets through', () => {
  const html: Answer = (_asked, res) =>
    void res.writeHead(200, { 'content-type': 'text/html' }).end('<html>');

  it('polls when a proxy answers HTML, and ends with the run', async () => {
    run.append('run.requested').append('run.started');
    gateway.next(STREAM, html);
    const ways: string[] = [];
    const events = client.follow(RUN, { ...QUICK, onReconnect: ({ next }) => void ways.push(next) });
    await events.next();
    const rest = collect(events);
    run.append('milestone.reached', { name: 'x' });
    setTimeout(() => run.append('run.failed', { error: { code: 'x' } }), 50);
    expect(await rest).toEqual(run.lines.slice(1));
    expect(ways).toEqual(['poll']);
  });

  it('polls when two streams gave not one byte', async () => {
    const lines = finished();
    const mute: Answer = (_asked, res) => void sse(res).flushHeaders();
    gateway.next(STREAM, mute, mute);
    expect(await collect(client.follow(RUN, QUICK))).toEqual(lines);
    expect(gateway.askedFor(/\/events$/)).toHaveLength(1);
  });

  it('tries the stream again when the polls fail too', async () => {
    const lines = finished();
    gateway.next(STREAM, html);
    gateway.next(/\/events$/, html);
    expect(await collect(client.follow(RUN, QUICK))).toEqual(lines);
    expect(gateway.askedFor(STREAM)).toHaveLength(2);
  });

  it('leaves out a line that was cut, and asks for it again', async () => {
    const lines = finished();
    gateway.next(STREAM, html);
    gateway.next(/\/events$/, (_asked, res) => {
      res.writeHead(200, { 'content-type': 'application/x-ndjson' });
      res.end(`${lines[0]}\n${lines[1]}\n${lines[2]?.slice(0, 30)}`);
    });
    expect(await collect(client.follow(RUN, QUICK))).toEqual(lines);
  });

  it('ends when the cursor stood at the last event of an ended run', async () => {
    const lines = finished();
    gateway.next(STREAM, html);
    expect(await collect(client.follow(RUN, { ...QUICK, after: lines.length }))).toEqual([]);
  });
});
