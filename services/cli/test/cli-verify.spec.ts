import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { frameOf, PlayedGateway, sse, type PlayedRun } from '../../../libs/client/test/played-gateway.ts';
import { traceOf } from '../../../libs/client/test/played-trace.ts';
import { callCli } from './called-cli.ts';

const RUN = '01JD0000000000000000000000';
const OFFLINE = { env: { RUNLEDGER_URL: undefined, RUNLEDGER_API_KEY: undefined } };

let gateway: PlayedGateway;
let run: PlayedRun;
let folder: string;

beforeEach(async () => {
  gateway = await PlayedGateway.open();
  run = gateway.run(RUN);
  for (let count = 0; count < 11; count++)
    run.append(count === 0 ? 'run.requested' : 'log.written', { count });
  run.append('run.succeeded', { result: 'ok' });
  folder = mkdtempSync(join(tmpdir(), 'runledger-verify-'));
});
afterEach(async () => {
  await gateway.close();
  rmSync(folder, { recursive: true });
});

async function finished(
  args: string[],
  more?: Parameters<typeof callCli>[2],
): Promise<[number | null, string, string]> {
  const called = callCli(gateway, args, more);
  const code = await called.exit;
  return [code, called.stdout(), called.stderr()];
}
function file(name: string, bytes: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}
const verified = (): string => `Verified: all 12 events of run ${RUN}, digest ${run.digest}\n`;

describe('verify', () => {
  it('checks the events of a run against its digest', async () => {
    expect(await finished(['verify', RUN])).toEqual([0, verified(), '']);
    const [code, json] = await finished(['verify', RUN, '--output', 'json']);
    expect([code, JSON.parse(json)]).toEqual([
      0,
      { verified: true, run_id: RUN, seq: 12, digest: run.digest, run_seq: 12, blobs: null },
    ]);
  });

  it('checks a file without a gateway: a trace, packed or not, or stored lines with their digest', async () => {
    const trace = traceOf(RUN, run.lines);
    const lines = run.lines.map((line) => `${line}\n`).join('');
    for (const args of [
      ['--file', file('a.ndjson.gz', gzipSync(trace))],
      ['--file', file('a.ndjson', trace)],
      ['--file', file('lines.ndjson', lines), '--digest', run.digest],
    ])
      expect(await finished(['verify', ...args], OFFLINE)).toEqual([0, verified(), '']);
    expect(await finished(['verify', '--file', '-'], { ...OFFLINE, stdin: trace })).toEqual([
      0,
      verified(),
      '',
    ]);
    expect(gateway.asked).toEqual([]);
  });

  it('says that stored lines alone prove nothing', async () => {
    const path = file('lines.ndjson', run.lines.map((line) => `${line}\n`).join(''));
    const [code, out, err] = await finished(['verify', '--file', path], OFFLINE);
    expect([code, out]).toEqual([
      1,
      `Not verified: 12 events of run ${RUN} with digest ${run.digest}, and nothing to compare it with.\n`,
    ]);
    expect(err).toContain('--digest');
    expect(await finished(['verify', RUN, '--file', path])).toEqual([0, verified(), '']);
  });

  it('names the event of one altered byte, of a file and of what the gateway sends', async () => {
    const trace = traceOf(RUN, run.lines).replace('"count":6', '"count":7');
    const offset = trace.indexOf('{"seq":7,');
    const [code, out, err] = await finished(['verify', '--file', file('a.gz', gzipSync(trace))], OFFLINE);
    expect([code, err]).toEqual([1, '']);
    expect(out).toBe(`Not verified: event 7 at byte ${offset}: the digest should be ${run.digestAfter(7)}\n`);
    gateway.next(/trace$/, (_asked, res) => void res.end(gzipSync(trace)));
    expect(await finished(['verify', RUN])).toEqual([1, out, '']);
    const [, json] = await finished(['verify', '--file', join(folder, 'a.gz'), '--output', 'json'], OFFLINE);
    expect(JSON.parse(json)).toMatchObject({ verified: false, code: 'altered', from: 7, seq: 7, offset });
  });

  it('finds the event of a trace that was forged as a whole, by the run', async () => {
    const forged = traceOf(RUN, run.lines.with(8, (run.lines[8] ?? '').replace('"count":8', '"count":9')));
    const path = file('forged.ndjson', forged);
    expect((await finished(['verify', '--file', path], OFFLINE))[0]).toBe(0);
    const [code, out] = await finished(['verify', RUN, '--file', path]);
    expect([code, out.slice(0, out.indexOf(':', 15))]).toEqual([
      1,
      `Not verified: event 9 at byte ${forged.indexOf('{"seq":9,')}`,
    ]);
    const wrong = await finished(['verify', '--file', path, '--digest', run.digest], OFFLINE);
    expect([wrong[0], wrong[1]]).toEqual([1, expect.stringContaining(`${run.digest} is expected`)]);
  });

  it('with --blobs also checks the values that events keep by reference', async () => {
    const value = JSON.stringify('x'.repeat(70_000));
    const sha = createHash('sha256').update(value).digest('hex');
    const reference = { blob: sha, bytes: value.length, preview: 'x' };
    const other = gateway.run(RUN.replace('D', 'F'));
    other.append('run.requested', { input: { deep: [reference] }, no: { ...reference, more: 1 } });
    other.append('run.succeeded', { result: reference });
    const verify = (): ReturnType<typeof finished> => finished(['verify', other.run_id, '--blobs']);
    gateway.next(/blobs/, (_asked, res) => void res.end(value));
    expect(await verify()).toEqual([
      0,
      `Verified: all 2 events and 1 values kept by reference of run ${other.run_id}, digest ${other.digest}\n`,
      '',
    ]);
    expect(gateway.askedFor(/blobs/).map(({ path }) => path)).toEqual([`/runs/${other.run_id}/blobs/${sha}`]);
    gateway.next(/blobs/, (_asked, res) => void res.end(value.replace('xx', 'xy')));
    const [code, out] = await verify();
    expect([code, out.startsWith('Not verified: event 1 at byte ')]).toEqual([1, true]);
    expect(out).toContain(`its value ${sha} has other bytes`);
    expect((await verify())[1]).toContain(`its value ${sha} cannot be read`);
  });

  it('an answer that is cut verifies nothing, and says how far it came', async () => {
    const packed = gzipSync(traceOf(RUN, run.lines), { level: 0 });
    gateway.next(/trace$/, (_asked, res) => {
      res.writeHead(200, { 'content-length': String(packed.length) });
      // Ended in order: a reset could take away what was sent before it.
      res.write(packed.subarray(0, packed.length - 300), () => res.socket?.end());
    });
    const [code, out, err] = await finished(['verify', RUN]);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^Up to event \d+ everything that came fits together.\nerror: .* the answer was cut/);
  });

  it('watch --verify stops at what does not fit', async () => {
    expect((await finished(['watch', RUN, '--verify']))[0]).toBe(0);
    gateway.next(/stream$/, (_asked, res) => {
      const lines = run.lines.with(4, (run.lines[4] ?? '').replace('"count":4', '"count":5'));
      sse(res).end(lines.map((line) => frameOf(line)).join(''));
    });
    const [code, out, err] = await finished(['watch', RUN, '--verify', '--output', 'json']);
    expect([code, out.includes('run.succeeded')]).toEqual([1, false]);
    expect(err).toContain('error: event 5 did not arrive as the run has it');
  });

  it('a file of a run that went on is a beginning of it; one of another run is none', async () => {
    const path = file('early.ndjson', traceOf(RUN, run.lines.slice(0, 5)));
    expect(await finished(['verify', RUN, '--file', path])).toEqual([
      0,
      `Verified: the first 5 of 12 events of run ${RUN}, digest ${run.digestAfter(5)}\n`,
      '',
    ]);
    gateway.run(RUN.replace('D', 'E')).append('run.requested');
    const [code, out] = await finished(['verify', RUN.replace('D', 'E'), '--file', path]);
    expect([code, out]).toEqual([1, `Not verified: the events are of run ${RUN}\n`]);
  });

  it.each([
    ['nothing', '', /^Not verified: there is not one byte\n$/],
    ['something else', 'hello', /^Not verified: neither a trace nor stored lines of a run\n$/],
    ['what is called gzip', Buffer.from([0x1f, 0x8b, 1, 2, 3]), /^Not verified: the gzip is damaged or cut/],
  ])('a file with %s is refused', async (_name, bytes, out) => {
    expect(await finished(['verify', '--file', file('x', bytes)], OFFLINE)).toEqual([
      1,
      expect.stringMatching(out),
      '',
    ]);
  });

  it.each([
    [['verify']],
    [['verify', RUN, '--digest', 'a'.repeat(64)]],
    [['verify', '--file', 'x', '--digest', 'a']],
    [['verify', '--file', '/nowhere/x']],
    [['verify', '--file', 'x', '--blobs']],
    [['trace', 'download', RUN, '--force']],
  ])('%j is exit 2', async (args) => {
    const [code, out, err] = await finished(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^error: /);
    expect(gateway.asked).toEqual([]);
  });
});

describe('trace download', () => {
  it('writes the trace to stdout, or to a file that is whole', async () => {
    const path = join(folder, 'a.ndjson.gz');
    const [code, out] = await finished(['trace', 'download', RUN, '-o', path]);
    const bytes = readFileSync(path);
    expect([code, out]).toEqual([0, `Wrote ${bytes.length} bytes to ${path}.\n`]);
    expect(gunzipSync(bytes).toString()).toBe(traceOf(RUN, run.lines));
    expect(await finished(['verify', '--file', path], OFFLINE)).toEqual([0, verified(), '']);
    expect(readdirSync(folder)).toEqual(['a.ndjson.gz']);
  });

  it('leaves a file alone that is there, unless it is told', async () => {
    const path = file('a', 'mine');
    const [code, , err] = await finished(['trace', 'download', RUN, '-o', path]);
    expect([code, err, readFileSync(path, 'utf8')]).toEqual([
      2,
      `error: ${path} is there already: --force replaces it\n`,
      'mine',
    ]);
    expect((await finished(['trace', 'download', RUN, '-o', path, '--force']))[0]).toBe(0);
    expect(gunzipSync(readFileSync(path)).toString()).toBe(traceOf(RUN, run.lines));
  });

  it('a download that is cut leaves no file', async () => {
    gateway.next(/trace$/, (_asked, res) => {
      res.writeHead(200, { 'content-length': '5000' }).write('abc');
      setImmediate(() => res.destroy());
    });
    const path = join(folder, 'a');
    const [code, out, err] = await finished(['trace', 'download', RUN, '-o', path]);
    expect([code, out, existsSync(path), readdirSync(folder)]).toEqual([1, '', false, []]);
    expect(err).toContain('the answer was cut');
  });
});
