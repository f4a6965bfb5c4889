import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ulid } from 'ulid';
import { MOST_RUNS, RunCursors } from '../src/stream/many/run-cursors.ts';
import { ulidBytes, ulidText } from '../src/stream/many/ulid-bytes.ts';

const runId = fc.nat({ max: 2 ** 40 }).map((time) => ulid(time));
const cursor = fc.nat({ max: 2 ** 45 });
const entries = fc.uniqueArray(fc.tuple(runId, cursor), { selector: ([id]) => id, maxLength: 20 });

describe('the cursors of many runs', () => {
  it('come back from their token', () => {
    fc.assert(
      fc.property(entries, runId, (runs, floor) => {
        const cursors = new RunCursors();
        cursors.floor = floor;
        for (const [id, seq] of runs) cursors.set(id, seq);
        const back = RunCursors.parse(cursors.token);
        expect([...(back ?? [])]).toEqual(runs);
        expect(back?.floor).toBe(floor);
      }),
    );
  });

  it('are what was set last, without those that were dropped; the floor is the newest of these', () => {
    const [a, b, c] = [1, 2, 3].map((time) => ulid(time * 1_000)) as [string, string, string];
    const cursors = new RunCursors();
    for (const id of [a, b, c]) cursors.set(id, 1);
    cursors.set(c, 7);
    cursors.set(a, 3);
    cursors.drop(b);
    cursors.set(c, 8);
    cursors.drop(b);
    expect([...cursors]).toEqual([
      [a, 3],
      [c, 8],
    ]);
    expect([...(RunCursors.parse(cursors.token) ?? [])]).toEqual([...cursors]);
    expect(cursors.floor).toBe(b);
    expect([cursors.has(b), cursors.get(b), cursors.size]).toEqual([false, undefined, 2]);
  });

  it('ids are the same as bytes and as text', () => {
    fc.assert(fc.property(runId, (id) => expect(ulidText(ulidBytes(id))).toBe(id)));
    expect(ulidBytes('7ZZZZZZZZZZZZZZZZZZZZZZZZZ').toString('hex')).toBe('f'.repeat(32));
  });

  it.each(['', '12', 'not a token', 'AQ', `${'A'.repeat(200)}`, 'x'.repeat(20_000)])(
    'are not in the text %.20j',
    (text) => expect(RunCursors.parse(text)).toBeUndefined(),
  );

  it('more than a connection may have, or one twice, are refused', () => {
    const cursors = new RunCursors();
    for (let run = 0; run <= MOST_RUNS; run += 1) cursors.set(ulid(run), run);
    expect(RunCursors.parse(cursors.token)).toBeUndefined();
    const one = new RunCursors();
    one.set(ulid(1), 1);
    const bytes = Buffer.from(one.token, 'base64url');
    const twice = Buffer.concat([bytes, bytes.subarray(17)]).toString('base64url');
    expect(RunCursors.parse(twice)).toBeUndefined();
  });
});
