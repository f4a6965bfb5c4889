import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { headers } from '@nats-io/transport-node';
import { verifyTrace, type Run, type RunledgerClient } from '@runledger/client';
import { temporaryFolder, waitFor } from '@runledger/testkit';
import { startCell, type Cell } from './cell.ts';
import { ROOT } from './service-process.ts';

const CLI = join(ROOT, 'services', 'cli', 'dist', 'main.js');

/** P2 as anybody can check it: with the CLI, from the bytes on disk to those that were read, of a real cell. */
describe('verifying runs', () => {
  let cell: Cell;
  let client: RunledgerClient;
  let folder: { path: string; remove(): Promise<void> };

  beforeAll(async () => {
    folder = await temporaryFolder();
    cell = await startCell();
    client = await cell.client();
  }, 120_000);
  afterAll(async () => {
    await cell.stop();
    await folder.remove();
  });

  const ended = async (agent_id: string, input: Record<string, string | number>): Promise<Run> => {
    const { run_id } = await client.start({ agent_id, input });
    return waitFor(
      async () => {
        const run = await client.getRun(run_id);
        return run.completed_at ? run : undefined;
      },
      { timeoutMs: 60_000, describe: `the end of ${agent_id}` },
    );
  };
  const runledger = async (...args: string[]): Promise<[number, string]> => {
    const env = { PATH: process.env.PATH, RUNLEDGER_URL: cell.url, RUNLEDGER_API_KEY: await cell.key('dev') };
    return new Promise((resolve) =>
      execFile(process.execPath, [CLI, ...args], { env, cwd: folder.path }, (error, stdout, stderr) =>
        resolve([error ? Number(error.code) : 0, stdout + stderr]),
      ),
    );
  };

  it('a burst of 3,000 events: verified from the gateway and as a file, and one flipped bit is found in its event', async () => {
    const run = await ended('burst', { count: 3_000, bytes: 200 });
    expect(run.status).toBe('success');
    const verified = `Verified: all ${run.seq} events of run ${run.run_id}, digest ${run.digest}\n`;
    expect(await runledger('verify', run.run_id)).toEqual([0, verified]);
    expect((await runledger('trace', 'download', run.run_id, '-o', 'a.ndjson.gz'))[0]).toBe(0);
    expect(await runledger('verify', '--file', 'a.ndjson.gz')).toEqual([0, verified]);

    const trace = gunzipSync(await readFile(join(folder.path, 'a.ndjson.gz')));
    for (let round = 0; round < 200; round++) {
      const offset = Math.floor(Math.random() * trace.length);
      const bit = 1 << Math.floor(Math.random() * 8);
      const altered = Buffer.from(trace);
      altered[offset] = (altered[offset] ?? 0) ^ bit;
      const event = trace.subarray(0, offset).toString('latin1').split('\n').length - 1;
      await expect(verifyTrace(once(altered))).rejects.toMatchObject({
        name: 'BrokenTraceError',
        fault: { seq: event, from: event },
      });
      if (round > 0) continue;
      await writeFile(join(folder.path, 'b.ndjson.gz'), gzipSync(altered));
      const [exit, said] = await runledger('verify', '--file', 'b.ndjson.gz');
      expect([exit, said]).toEqual([
        1,
        expect.stringContaining(event === 0 ? 'Not verified: ' : `event ${event} at byte `),
      ]);
    }
  }, 180_000);

  it('a follower that verifies gets every event of a run that goes on, each with its digest', async () => {
    const { run_id } = await client.start({ agent_id: 'ticker', input: { count: 40, every_ms: 25 } });
    let digest = '';
    let seq = 0;
    for await (const event of client.follow(run_id, { verify: true })) ({ digest, seq } = event);
    expect(await client.getRun(run_id)).toMatchObject({ status: 'success', digest, seq });
  }, 60_000);

  it('a forged copy fits together, and is found out by the run', async () => {
    const run = await ended('hello', { message: 'pay 10' });
    const key = await cell.key('dev');
    const answer = await fetch(`${cell.url}/runs/${run.run_id}/events`, {
      headers: { authorization: `Bearer ${key}`, accept: 'application/x-ndjson' },
    });
    const lines = (await answer.text()).trimEnd().split('\n');
    const at = lines.findIndex((line) => line.includes('pay 10'));
    const forged = lines.with(at, (lines[at] ?? '').replace('pay 10', 'pay 99'));
    await writeFile(join(folder.path, 'forged.ndjson'), traceOf(run.run_id, forged));
    expect((await runledger('verify', '--file', 'forged.ndjson'))[0]).toBe(0);
    const [exit, said] = await runledger('verify', run.run_id, '--file', 'forged.ndjson');
    expect([exit, said]).toEqual([1, expect.stringContaining(`Not verified: event ${at + 1} at byte `)]);
  }, 60_000);

  it('what was altered on disk is found: the commit is named', async () => {
    const { run_id, seq } = await ended('ticker', { count: 3, every_ms: 10 });
    const jsm = await cell.broker.jsm();
    const subject = `runs.local.${run_id}`;
    // The broker does not let stored bytes be changed. The same commits are put under another tenant, one of them altered.
    const copy = `runs.other.${run_id}`;
    let altered = 0;
    for (let next = 1; ;) {
      const query = { seq: next, next_by_subj: subject };
      const message = await jsm.streams.getMessage('RUNS', query);
      if (!message) break;
      const text = message.string();
      const forged = text.includes('"name":"tick 2"') ? text.replace('tick 2', 'tick 7') : text;
      if (forged !== text) altered = Number(message.header.get('Run-Last'));
      // The expectations of the first append are not those of this one.
      const kept = headers();
      for (const [name, [value = '']] of message.header) if (!name.startsWith('Nats-')) kept.set(name, value);
      await cell.broker.js.publish(copy, forged, { headers: kept });
      next = message.seq + 1;
    }
    expect(altered).toBeGreaterThan(0);
    const other = await cell.client('dev', 'other');
    expect((await other.getRun(run_id)).seq).toBe(seq);
    await expect(other.verify(run_id)).rejects.toMatchObject({
      name: 'BrokenTraceError',
      fault: { code: 'altered', seq: altered },
    });
  }, 60_000);

  it('a value kept by reference is checked by its bytes', async () => {
    const run = await ended('echo-process', { message: 'ä'.repeat(70_000) });
    const [exit, said] = await runledger('verify', run.run_id, '--blobs');
    expect([exit, said]).toEqual([
      0,
      expect.stringMatching(/^Verified: all \d+ events and [1-9]\d* values kept by reference of run /),
    ]);
  }, 60_000);
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function traceOf(run_id: string, lines: readonly string[]): string {
  let digest = '';
  const records = lines.map((line) => {
    digest = createHash('sha256')
      .update(digest + line)
      .digest('hex');
    return `${line.slice(0, -1)},"digest":"${digest}"}\n`;
  });
  return `{"trace":1,"run_id":"${run_id}","seq":${lines.length},"digest":"${digest}"}\n${records.join('')}`;
}
