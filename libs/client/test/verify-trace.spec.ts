import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { BrokenTraceError, verifyTrace, type TraceExpectation, type TraceFault } from '../src/index.ts';
import { PlayedRun } from './played-gateway.ts';
import { inChunks, traceOf } from './played-trace.ts';

const RUN = '01JD0000000000000000000000';
const run = new PlayedRun(RUN)
  .append('run.requested', { agent_id: 'hello' })
  .append('run.started', { text: 'Grüße, 世界 🙂' })
  .append('milestone.reached', { name: 'a', digest: 'f'.repeat(64) })
  .append('milestone.reached', { name: 'b', nested: { deep: [1, 2, { x: '}' }] } })
  .append('log.written', { text: 'line\nline' })
  .append('milestone.reached', { name: 'c' })
  .append('run.succeeded', { result: 'ok' });
const trace = Buffer.from(traceOf(RUN, run.lines));
const bare = Buffer.from(run.lines.map((line) => `${line}\n`).join(''));
const packed = gzipSync(trace);
const records = trace.toString().trimEnd().split('\n');

/** Event whose record has the byte; 0: the header. */
const eventAt = (file: Buffer, offset: number): number =>
  file.subarray(0, offset).toString('latin1').split('\n').length - 1;
const startOf = (file: Buffer, line: number): number =>
  Buffer.byteLength(
    file
      .toString()
      .split('\n')
      .slice(0, line)
      .map((text) => `${text}\n`)
      .join(''),
  );

const verify = (
  bytes: Uint8Array,
  expected?: TraceExpectation,
  size = 4096,
): ReturnType<typeof verifyTrace> => verifyTrace(inChunks(bytes, size), expected);
async function faultOf(bytes: Uint8Array | string, expected?: TraceExpectation): Promise<TraceFault> {
  const verified = await verify(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, expected).catch(
    (error: unknown) => error,
  );
  if (verified instanceof BrokenTraceError) return verified.fault;
  throw new Error(`no fault found: ${JSON.stringify(verified)}`);
}
function sameUnpacked(bytes: Uint8Array): boolean {
  try {
    return gunzipSync(bytes).equals(trace);
  } catch {
    return false;
  }
}
const joined = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

describe('verifying a trace', () => {
  it.each([1, 7, 64, 1_000_000])('is whole, in chunks of %i bytes', async (size) => {
    const proven = { run_id: RUN, seq: 7, digest: run.digest, proven: true };
    expect(await verify(trace, {}, size)).toEqual(proven);
    expect(await verify(bare, { digest: run.digest, run_id: RUN }, size)).toEqual(proven);
    expect(await verify(bare, {}, size)).toEqual({ ...proven, proven: false });
  });

  it('passes on the stored lines as they are', async () => {
    const lines: string[] = [];
    await verifyTrace(inChunks(trace, 100), {}, ({ line }) => void lines.push(Buffer.from(line).toString()));
    expect(lines).toEqual(run.lines);
  });

  it('names the event of every byte that is altered, whichever', async () => {
    for (let offset = 0; offset < trace.length; offset++) {
      const altered = Buffer.from(trace);
      altered[offset] = (altered[offset] ?? 0) ^ (1 << ((offset * 5) % 8));
      const { seq, from, offset: at } = await faultOf(altered);
      const event = eventAt(trace, offset);
      expect([offset, from, seq, at]).toEqual([
        offset,
        event,
        event,
        event === 0 ? 0 : startOf(trace, event),
      ]);
    }
  });

  it('finds every altered byte of stored lines, by the digest that is expected', async () => {
    for (let offset = 0; offset < bare.length; offset++) {
      const altered = Buffer.from(bare);
      altered[offset] = (altered[offset] ?? 0) ^ (1 << ((offset * 3) % 8));
      const { from, seq } = await faultOf(altered, { digest: run.digest });
      const event = eventAt(bare, offset) + 1;
      expect([offset, from <= event && (event <= seq || seq === 0)]).toEqual([offset, true]);
    }
  });

  it('finds every cut, and names the event that is not whole', async () => {
    for (let length = 0; length < trace.length; length++) {
      const fault = await faultOf(trace.subarray(0, length));
      const event = eventAt(trace, length);
      expect([length, fault.seq]).toEqual([length, event]);
      if (event > 0) expect(fault.code).toBe('cut');
    }
  });

  it('names what was left out, swapped, repeated or put in', async () => {
    for (let at = 1; at <= 7; at++) {
      expect(await faultOf(joined(records.toSpliced(at, 1)))).toMatchObject({
        code: at === 7 ? 'cut' : 'out_of_order',
        seq: at,
        offset: startOf(trace, at),
      });
      expect(await faultOf(joined(records.toSpliced(at, 0, records[at] ?? '')))).toMatchObject({
        code: 'out_of_order',
        seq: at + 1,
      });
      if (at === 7) continue;
      const swapped = records.toSpliced(at, 2, records[at + 1] ?? '', records[at] ?? '');
      expect(await faultOf(joined(swapped))).toMatchObject({ code: 'out_of_order', from: at, seq: at });
    }
    const more = new PlayedRun(RUN);
    more.lines.push(...run.lines);
    more.append('milestone.reached');
    const [, ...forged] = traceOf(RUN, more.lines).trimEnd().split('\n');
    expect(await faultOf(joined([records[0] ?? '', ...forged]))).toMatchObject({
      code: 'out_of_order',
      seq: 8,
    });
  });

  it('narrows it down to what lies between two digests', async () => {
    const sparse = traceOf(RUN, run.lines, (seq) => seq === 2 || seq === 5 || seq === 7);
    expect((await verify(Buffer.from(sparse))).digest).toBe(run.digest);
    expect(await faultOf(sparse.replace('"name":"b"', '"name":"B"'))).toMatchObject({
      code: 'altered',
      from: 3,
      seq: 5,
      offset: startOf(Buffer.from(sparse), 3),
    });
    const open = traceOf(RUN, run.lines, (seq) => seq <= 5);
    expect(await faultOf(open.replace('"name":"c"', '"name":"C"'))).toMatchObject({ from: 6, seq: 7 });
  });

  it('a forged trace that fits together is not the one that is expected', async () => {
    const forged = traceOf(
      RUN,
      run.lines.map((line) => line.replace('"ok"', '"no"')),
    );
    expect((await verify(Buffer.from(forged))).proven).toBe(true);
    expect(await faultOf(forged, { digest: run.digest })).toMatchObject({
      code: 'other_digest',
      from: 1,
      seq: 7,
    });
    expect(await faultOf(trace, { run_id: RUN.replace('D', 'E') })).toMatchObject({
      code: 'other_run',
      seq: 0,
    });
  });

  it.each([
    ['', 'empty'],
    ['hello\n', 'no_trace'],
    ['\n', 'no_trace'],
    [`${records[0]}\n`, 'cut'],
    ['{"trace":2,"run_id":"x"}\n', 'no_trace'],
    ['{"seq":1}\n', 'altered'],
    ['{"seq":1,"run_id":7}\n', 'altered'],
  ])('%j is refused as %s', async (text, code) => {
    expect((await faultOf(text)).code).toBe(code);
  });

  it('names the event at which a packed trace is damaged or cut', async () => {
    expect((await verify(packed)).digest).toBe(run.digest);
    for (let offset = 10; offset < packed.length; offset++) {
      const altered = Buffer.from(packed);
      altered[offset] = (altered[offset] ?? 0) ^ (1 << ((offset * 5) % 8));
      const cut = await faultOf(packed.subarray(0, offset));
      expect([cut.code, cut.seq <= 8]).toEqual(['unreadable', true]);
      // Deflate pads its last byte with bits that mean nothing.
      if (sameUnpacked(altered)) continue;
      const { seq } = await faultOf(altered);
      expect([offset, seq <= 8]).toEqual([offset, true]);
    }
    expect(await faultOf(Buffer.concat([packed, Buffer.from('more')]))).toMatchObject({ code: 'unreadable' });
    expect(await faultOf(packed.subarray(0, 2))).toMatchObject({ code: 'unreadable', seq: 0 });
  });

  it('does not hold a line without an end in memory', async () => {
    let asked = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield trace.subarray(0, startOf(trace, 3));
      yield Buffer.from('{"seq":3,');
      for (; asked < 1_000; asked++) yield Buffer.alloc(64 * 1024, 'x');
    }
    await expect(verifyTrace(endless())).rejects.toMatchObject({ fault: { code: 'too_long', seq: 3 } });
    expect(asked).toBeLessThan(20);
  });
});
