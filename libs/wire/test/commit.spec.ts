import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { EventOf, Json, RunEvent } from '@runledger/run';
import {
  buildCommit,
  chainDigest,
  decodeCommit,
  decodeEvent,
  encodeCommit,
  encodeEvent,
  Poison,
} from '../src/index.ts';
import { EVENT_TYPES, RUN_ID, sampleEvent } from './sample-events.ts';

const ORIGIN = { commit_id: 'c-1', writer: 'gateway/one', previous_digest: '', checkpoint: 0, number: 1 };
const all = EVENT_TYPES.map((type, at) => sampleEvent(type, at + 1)) as RunEvent[];
const headersOf = (headers: Record<string, string>) => (name: string) => headers[name] ?? '';

const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>;
const toolReturned = fc
  .record({ call_id: fc.string(), result: json, duration_ms: fc.nat() })
  .map(({ call_id, result, duration_ms }): EventOf<'tool.returned'> => ({
    seq: 1,
    type: 'tool.returned',
    at: '2026-11-21T10:00:00.000Z',
    run_id: RUN_ID,
    attempt: 1,
    data: { call_id, index: 0, is_error: false, result, duration_ms, outcome: 'done' },
  }));
const history = fc
  .array(toolReturned, { minLength: 1, maxLength: 12 })
  .map((events) => events.map((event, at): RunEvent => ({ ...event, seq: at + 1 })));

describe('an event line', () => {
  it('has its keys in the order of the contract, whatever order they were given in', () => {
    const { data, attempt, run_id, at, type, seq } = sampleEvent('turn.started', 4);
    expect(encodeEvent({ data, attempt, run_id, at, type, seq })).toBe(
      `{"seq":4,"type":"turn.started","at":"2026-11-21T10:00:00.000Z","run_id":"${RUN_ID}","attempt":0,"data":{"turn":1,"model":"offline/echo"}}`,
    );
  });

  it('is one line, whatever it holds, and decodes to the same event and the same bytes', () => {
    fc.assert(
      fc.property(toolReturned, (event) => {
        const line = encodeEvent(event);
        expect(line).not.toMatch(/[\n\r]/);
        expect(encodeEvent(decodeEvent(line))).toBe(line);
      }),
    );
  });
});

describe('the digest', () => {
  it('chains the hex of the one before with the bytes of the line', () => {
    const sha = (text: string) => createHash('sha256').update(text, 'utf8').digest('hex');
    expect(chainDigest('', [])).toBe('');
    expect(chainDigest('', ['Grüße'])).toBe(sha('Grüße'));
    expect(chainDigest('', ['one', 'two'])).toBe(sha(sha('one') + 'two'));
  });

  it('does not depend on how lines are cut into commits', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.nat(20), (lines, cut) => {
        const parts = chainDigest(chainDigest('', lines.slice(0, cut)), lines.slice(cut));
        expect(parts).toBe(chainDigest('', lines));
      }),
    );
  });

  it('differs when one line is changed, left out, or moved', () => {
    const lines = fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(lines, fc.nat(), (given, pick) => {
        const at = pick % (given.length - 1);
        const original = chainDigest('', given);
        expect(chainDigest('', given.with(at, `${given[at]}!`))).not.toBe(original);
        expect(chainDigest('', given.toSpliced(at, 1))).not.toBe(original);
        expect(chainDigest('', given.toSpliced(at, 2, given[at + 1] ?? '', given[at] ?? ''))).not.toBe(
          original,
        );
      }),
    );
  });
});

describe('a commit', () => {
  it('decodes to what was built, for every event type', () => {
    const commit = buildCommit(all, { ...ORIGIN, checkpoint: 17, number: 3 });
    const { headers, payload } = encodeCommit(commit);
    expect(decodeCommit(headersOf(headers), payload)).toEqual(commit);
    expect(commit).toMatchObject({
      first: 1,
      last: all.length,
      types: EVENT_TYPES,
      checkpoint: 17,
      number: 3,
      schema: 1,
    });
    expect(commit.lines.map((line) => decodeEvent(line))).toEqual(all);
  });

  it('carries the run on from the commit before it, and its payload is NDJSON', () => {
    fc.assert(
      fc.property(history, fc.nat(12), (events, cut) => {
        const whole = buildCommit(events, ORIGIN);
        const at = 1 + (cut % events.length);
        const parts = [events.slice(0, at), events.slice(at)].filter((part) => part.length > 0);
        let digest = '';
        let text = '';
        for (const part of parts) {
          const { headers, payload } = encodeCommit(
            buildCommit(part, { ...ORIGIN, previous_digest: digest }),
          );
          const back = decodeCommit(headersOf(headers), payload);
          digest = back.digest;
          text += payload;
        }
        expect(digest).toBe(whole.digest);
        expect(text).toBe(encodeCommit(whole).payload);
      }),
    );
  });

  it('has at least one event', () => {
    expect(() => buildCommit([], ORIGIN)).toThrow('at least one event');
  });

  it.each([
    ['no headers at all', {}],
    ['a last that leaves a line out', { 'Run-Last': '2' }],
    ['a last before the first', { 'Run-First': '4', 'Run-Last': '3' }],
    ['a first of 0', { 'Run-First': '0', 'Run-Last': '2' }],
    ['a first that is no number', { 'Run-First': '1e0' }],
    ['a negative first', { 'Run-First': '-1', 'Run-Last': '1' }],
    ['a first past 2^53', { 'Run-First': '99999999999999999998', 'Run-Last': '100000000000000000000' }],
    ['a type too few', { 'Run-Types': 'a,b' }],
    ['no types', { 'Run-Types': '' }],
    ['no commit id', { 'Run-Commit': '' }],
    ['no digest', { 'Run-Digest': '' }],
    ['a digest of another form', { 'Run-Digest': 'A'.repeat(64) }],
  ])('is Poison with %s', (name, change) => {
    const { headers, payload } = encodeCommit(buildCommit(all.slice(0, 3), ORIGIN));
    const given = name === 'no headers at all' ? {} : { ...headers, ...change };
    expect(() => decodeCommit(headersOf(given), payload)).toThrow(Poison);
    expect(() => decodeCommit(headersOf(headers), payload)).not.toThrow();
  });

  it('is Poison when a line was lost or added on the way', () => {
    const { headers, payload } = encodeCommit(buildCommit(all.slice(0, 3), ORIGIN));
    const lines = payload.split('\n');
    for (const broken of ['', lines.slice(1).join('\n'), `${payload}{}\n`, payload.replaceAll('\n', '')])
      expect(() => decodeCommit(headersOf(headers), broken)).toThrow(Poison);
  });
});
