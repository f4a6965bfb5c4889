import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  decodeCommit,
  decodeEvent,
  decodeEventStrict,
  decodeWork,
  encodeEvent,
  openEnv,
  parseRunSubject,
  parseWorkSubject,
  Poison,
} from '../src/index.ts';
import { EVENT_TYPES, sampleEvent } from './sample-events.ts';

/** The error, or undefined; anything but Poison fails the spec. */
function poisonOf(work: () => unknown): Poison | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof Poison) return error;
    throw error;
  }
}

const HEADERS: Record<string, string> = { 'Run-Types': 'a', 'Run-Digest': 'a'.repeat(64) };

const DECODERS: Record<string, (text: string) => unknown> = {
  decodeEvent,
  decodeEventStrict,
  decodeWork,
  parseRunSubject,
  parseWorkSubject,
  openEnv: (text) => openEnv(Buffer.alloc(32), text),
  decodeCommit: (text) => decodeCommit((name) => HEADERS[name] ?? '1', text),
};

const HAND_MADE = [
  '',
  ' ',
  '\n',
  '\0',
  'null',
  'true',
  '0',
  '-1',
  '""',
  '[]',
  '{}',
  '[[]]',
  'NaN',
  'undefined',
  '{',
  '}',
  '{"seq":1',
  '{"seq":1}',
  '{"__proto__":{"seq":1,"type":"run.failed"}}',
  '{"constructor":{"prototype":{"dispatch":1}}}',
  '{"seq":"1","type":"run.failed","at":"","run_id":"","attempt":0,"data":{}}',
  '{"seq":1,"type":{"toString":1},"at":"","run_id":"","attempt":0,"data":{}}',
  '{"seq":1,"type":"run.failed","at":"","run_id":"","attempt":0,"data":null}',
  '{"seq":1e400,"type":"run.failed","at":"","run_id":"","attempt":0,"data":{}}',
  '{"seq":0,"type":"run.failed","at":"","run_id":"","attempt":0,"data":{}}',
  '{"seq":1,"type":"run.failed","at":"","run_id":"","attempt":-1,"data":{}}',
  '{"seq":1,"type":"run.failed","at":"","run_id":"","attempt":0,"data":[]}',
  '{"dispatch":"1"}',
  '{"dispatch":null}',
  '{"dispatch":1.5}',
  '{"dispatch":[1]}',
  '"dispatch"',
  '[1]',
  '\ufeff{"dispatch":1}',
  '['.repeat(200_000),
  '['.repeat(50_000) + ']'.repeat(50_000),
  '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000),
  '"\\ud800"',
  '\ud800',
  'x'.repeat(300_000),
];

const bytes = fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array).toString('utf8'));
const almost = fc
  .tuple(
    fc.constantFrom(...EVENT_TYPES),
    fc.nat(),
    fc.string({
      unit: fc.constantFrom('"', '{', '}', '[', ':', ',', '1', 'n', '\\', '\0', '.'),
      maxLength: 3,
    }),
    fc.nat(4),
  )
  .map(([type, at, inserted, cut]) => {
    const line = encodeEvent(sampleEvent(type));
    const place = at % line.length;
    return line.slice(0, place) + inserted + line.slice(place + cut);
  });
const junkJson = fc.json({ maxDepth: 6 });
const junkData = fc
  .tuple(
    fc.oneof(
      fc.constantFrom(...EVENT_TYPES),
      fc.constantFrom('__proto__', 'constructor', 'hasOwnProperty'),
      fc.string(),
    ),
    fc.jsonValue({ maxDepth: 5 }),
  )
  .map(([type, data]) => JSON.stringify({ ...sampleEvent('run.failed'), type, data }));

describe.each(Object.entries(DECODERS))('%s', (name, decode) => {
  it.each(HAND_MADE.map((text) => [text.slice(0, 80), text]))(
    'answers %j with a value or Poison',
    (_shown, text) => {
      const poison = poisonOf(() => decode(text));
      // Every one of them is unusable to all but decodeCommit, which leaves the lines to their reader.
      if (name !== 'decodeCommit') expect(poison?.code).toMatch(/^invalid_/);
      expect(({} as Record<string, unknown>)['seq']).toBeUndefined();
    },
  );

  it('answers 1,000 mutilated inputs with a value or Poison', () => {
    fc.assert(
      fc.property(fc.oneof(bytes, almost, junkJson, junkData), (text) => {
        poisonOf(() => decode(text));
      }),
      { numRuns: 1000 },
    );
    expect(Object.prototype).not.toHaveProperty('type');
  });
});

it('no mutilated line passes the strict decoder with data that does not conform', () => {
  let passed = 0;
  fc.assert(
    fc.property(fc.oneof(almost, junkData), (text) => {
      let event: ReturnType<typeof decodeEventStrict> | undefined;
      const poison = poisonOf(() => (event = decodeEventStrict(text)));
      if (poison || !event) return;
      passed += 1;
      expect(Number.isSafeInteger(event.seq) && event.seq >= 1).toBe(true);
      expect(JSON.parse(encodeEvent(event))).toMatchObject({ type: event.type, seq: event.seq });
    }),
    { numRuns: 1000 },
  );
  expect(passed).toBeGreaterThan(0);
});
