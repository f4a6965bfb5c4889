import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RunledgerClient, verifyTrace, type VerifiedEvent } from '../src/index.ts';
import { inChunks, traceOf } from './played-trace.ts';
import { answerJson, frameOf, PlayedGateway, sse, type PlayedRun } from './played-gateway.ts';

const RUN = '01JD0000000000000000000000';
const STREAM = /\/stream$/;
const QUICK = { reconnectMs: { first: 5, cap: 20 }, pollLadder: [5], verify: true } as const;

let gateway: PlayedGateway;
let run: PlayedRun;
let client: RunledgerClient;

beforeEach(async () => {
  gateway = await PlayedGateway.open();
  run = gateway.run(RUN);
  client = new RunledgerClient({ url: gateway.url, apiKey: gateway.key, retryMs: { first: 1, cap: 5 } });
});
afterEach(() => gateway.close());

function grown(count: number): string[] {
  run.append('run.requested');
  while (run.lines.length < count - 1) run.append('log.written', { message: `m${run.lines.length + 1}` });
  return run.append('run.succeeded', { result: 'ok' }).lines;
}
/** The stream says these lines instead of the run's. */
const streamed = (lines: readonly string[]): void =>
  gateway.next(STREAM, (_asked, res) => void sse(res).end(lines.map((line) => frameOf(line)).join('')));
const asked = (): number => gateway.asked.filter(({ path }) => path === `/runs/${RUN}`).length;

async function followed(after = 0): Promise<{ events: VerifiedEvent[]; error: unknown }> {
  const events: VerifiedEvent[] = [];
  try {
    for await (const event of client.follow(RUN, { ...QUICK, after })) events.push(event);
    return { events, error: undefined };
  } catch (error) {
    return { events, error };
  }
}

describe('following with verification', () => {
  it.each([0, 1, 3, 6])('adds the digest after each event, from %i on', async (after) => {
    grown(6);
    const { events, error } = await followed(after);
    expect(error).toBeUndefined();
    expect(events.map(({ seq, digest }) => [seq, digest])).toEqual(
      run.lines.map((_, at) => [at + 1, run.digestAfter(at + 1)]).slice(after),
    );
  });

  it.each([1, 2, 17, 29, 30])(
    'names event %i of 30 when it is altered, and passes on no end',
    async (seq) => {
      const lines = grown(30);
      streamed(lines.map((line, at) => (at === seq - 1 ? line.replace('2026', '2027') : line)));
      const { events, error } = await followed();
      expect(error).toMatchObject({
        name: 'DigestMismatchError',
        seq,
        from: seq,
        expected: run.digestAfter(seq),
      });
      expect(String(error)).toContain(`event ${seq} did not arrive as the run has it`);
      expect(events.at(-1)?.seq ?? 0).toBeLessThan(30);
    },
  );

  it('notices it long before the end, and asks seldom', async () => {
    const lines = grown(9_000);
    streamed(lines.map((line, at) => (at === 2_499 ? line.replace('m2500', 'm2600') : line)));
    gateway.next(new RegExp(`/runs/${RUN}$`), (_asked, res) =>
      answerJson(res, 200, { ...run.document(), seq: 900, digest: run.digestAfter(900) }),
    );
    const now = new RegExp(`/runs/${RUN}$`);
    for (let seq = 2_000; seq < 9_000; seq += 1_000)
      gateway.next(now, (asked, res) => {
        const at = Number(asked.query.get('at') ?? seq);
        answerJson(res, 200, { ...run.document(), seq: at, digest: run.digestAfter(at) });
      });
    const { events, error } = await followed();
    expect(error).toMatchObject({ name: 'DigestMismatchError', seq: 2_500, from: 2_500 });
    expect(events.length).toBeLessThan(5_000);
    expect(asked()).toBeLessThan(25);
  });

  it('an altered event before the cursor is named too', async () => {
    const lines = grown(6);
    gateway.next(/\/events$/, (_asked, res) => {
      res.writeHead(200, { 'content-type': 'application/x-ndjson' });
      res.end(lines.map((line, at) => `${at === 1 ? line.replace('m2', 'mx') : line}\n`).join(''));
    });
    expect((await followed(3)).error).toMatchObject({ name: 'DigestMismatchError', seq: 2 });
  });

  it('a forged end is none: events that the run does not have are named', async () => {
    run.append('run.requested').append('run.started').append('log.written');
    const forged = JSON.stringify({ ...JSON.parse(run.lines[0] ?? ''), seq: 4, type: 'run.succeeded' });
    streamed([...run.lines, forged]);
    const { events, error } = await followed();
    expect(error).toMatchObject({ name: 'DigestMismatchError', seq: 4, expected: 'no such event' });
    expect(events.map(({ type }) => type)).not.toContain('run.succeeded');
  });

  it('names the range where the run cannot be asked more closely', async () => {
    const lines = grown(6);
    streamed(lines.map((line, at) => (at === 3 ? line.replace('m4', 'mx') : line)));
    const gone = { code: 'forbidden', title: 'No' };
    gateway.next(/nothing/);
    const whole = new RegExp(`/runs/${RUN}$`);
    gateway.next(whole, (_asked, res) => answerJson(res, 200, run.document()));
    gateway.next(whole, (_asked, res) => answerJson(res, 403, gone));
    expect((await followed()).error).toMatchObject({ name: 'DigestMismatchError', from: 1, seq: 6 });
  });

  it('goes on while the run cannot be asked for a moment', async () => {
    grown(6);
    const away = Array.from(
      { length: 6 },
      () => (_asked: unknown, res: Parameters<typeof answerJson>[0]) =>
        answerJson(res, 503, { code: 'log_unavailable', title: 'Away' }),
    );
    gateway.next(new RegExp(`/runs/${RUN}$`), ...away);
    const { events, error } = await followed();
    expect([events.length, error]).toEqual([6, undefined]);
  });
});

describe('the trace of a run', () => {
  it('comes as bytes that verify', async () => {
    grown(200);
    const verified = await verifyTrace(client.trace(RUN));
    expect(verified).toEqual({ run_id: RUN, seq: 200, digest: run.digest, proven: true });
  });

  it('is compared with the run, which finds the event of a long one that was forged as a whole', async () => {
    const lines = grown(3_000);
    expect(await client.verify(RUN)).toEqual({
      ...{ run_id: RUN, seq: 3_000, digest: run.digest, proven: true, run_seq: 3_000, blobs: null },
    });
    const forged = traceOf(RUN, lines.with(2_344, (lines[2_344] ?? '').replace('m2345', 'm2346')));
    await expect(client.verify(RUN, { chunks: inChunks(Buffer.from(forged), 10_000) })).rejects.toMatchObject(
      {
        name: 'BrokenTraceError',
        fault: { code: 'other_digest', from: 2_345, seq: 2_345, offset: forged.indexOf('{"seq":2345,') },
      },
    );
    const longer = traceOf(RUN, [...lines, (lines[2_999] ?? '').replace('"seq":3000', '"seq":3001')]);
    await expect(client.verify(RUN, { chunks: inChunks(Buffer.from(longer), 10_000) })).rejects.toMatchObject(
      {
        fault: { code: 'out_of_order', seq: 3_001 },
      },
    );
  });

  it('an answer that is cut is no trace, and a refusal says why', async () => {
    grown(200);
    gateway.next(/trace$/, (_asked, res) => {
      res.writeHead(200, { 'content-type': 'application/gzip', 'content-length': '5000' }).write('abc');
      setImmediate(() => res.destroy());
    });
    await expect(verifyTrace(client.trace(RUN))).rejects.toMatchObject({ name: 'UnreachableError' });
    await expect(verifyTrace(client.trace(RUN.replace('D', 'E')))).rejects.toMatchObject({ status: 404 });
  });
});
