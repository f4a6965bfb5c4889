import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunledgerClient } from '@runledger/client';
import { startCell, type Cell } from './cell.ts';
import { openStream, type OpenStream } from './sse.ts';

const WAVES = 5;
const RUNS = 4;
const TICKS = 250;
const OBSERVERS = 100;

/** The seam between replay and live: whoever attaches whenever sees the same bytes (promise P2). */
describe('attaching at random moments', () => {
  let cell: Cell;
  let client: RunledgerClient;
  let key: string;

  beforeAll(async () => {
    cell = await startCell();
    client = await cell.client();
    key = await cell.key('dev');
  }, 90_000);
  afterAll(() => cell.stop());

  it(`${WAVES * OBSERVERS} observers of runs that emit 100 events a second: no hole, no repeat, one digest`, async () => {
    for (let wave = 0; wave < WAVES; wave++) await oneWave();
  }, 180_000);

  /** Runs of a few seconds, and observers that arrive while they emit and stay until the end. */
  const oneWave = async (): Promise<void> => {
    const runs = await Promise.all(
      Array.from({ length: RUNS }, () =>
        client.start({ agent_id: 'ticker', input: { count: TICKS, every_ms: 10 } }),
      ),
    );
    const observed = await Promise.all(
      Array.from({ length: OBSERVERS }, async (_, index) => {
        const run_id = runs[index % RUNS]?.run_id ?? '';
        await pause(Math.random() * TICKS * 10);
        const stream = await attach(`${cell.url}/runs/${run_id}/stream`);
        await stream.ended;
        return { run_id, lines: stream.frames.map((frame) => frame.data) };
      }),
    );
    for (const { run_id } of runs) {
      const whole = await stored(run_id);
      const digest = digestOf(whole);
      expect(await client.getRun(run_id)).toMatchObject({ status: 'success', seq: whole.length, digest });
      const ofRun = observed.filter((one) => one.run_id === run_id);
      expect(ofRun).toHaveLength(OBSERVERS / RUNS);
      for (const { lines } of ofRun) expect(digestOf(lines)).toBe(digest);
    }
  };

  /** A gateway that has too much to do at the moment says so; a client comes again. */
  const attach = async (url: string): Promise<OpenStream> => {
    for (;;) {
      const stream = await openStream(url, key);
      if (stream.status !== 503) return stream;
      await pause(100);
    }
  };

  const stored = async (run_id: string): Promise<string[]> => {
    const answer = await fetch(`${cell.url}/runs/${run_id}/events`, {
      headers: { authorization: `Bearer ${key}`, accept: 'application/x-ndjson' },
    });
    return (await answer.text()).trimEnd().split('\n');
  };
});

function digestOf(lines: readonly string[]): string {
  return lines.reduce(
    (digest, line) =>
      createHash('sha256')
        .update(digest + line)
        .digest('hex'),
    '',
  );
}
