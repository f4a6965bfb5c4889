import { describe, expect, it } from '@jest/globals';
import {
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  ScalarType,
  toJson,
} from '@bufbuild/protobuf';
import { EVENT_SCHEMAS } from '@runledger/proto';
import type { EventType } from '@runledger/run';
import { conforms, decodeEvent, decodeEventStrict, encodeEvent, Poison } from '../src/index.ts';
import { EVENT_TYPES, sampleEvent } from './sample-events.ts';

const copyOf = (type: EventType): JsonObject =>
  JSON.parse(JSON.stringify(sampleEvent(type).data)) as JsonObject;

/** Proto's JSON writes 64-bit integers as strings; ours are numbers. */
function withNumbers(schema: DescMessage, json: JsonObject): JsonObject {
  const result: JsonObject = { ...json };
  for (const { name, fieldKind, scalar, message } of schema.fields) {
    const value = result[name];
    if (fieldKind === 'scalar' && scalar === ScalarType.INT64 && value !== undefined)
      result[name] = Number(value);
    if (fieldKind === 'message' && value && !message.typeName.startsWith('google.protobuf.'))
      result[name] = withNumbers(message, value as JsonObject);
  }
  return result;
}

describe('the messages of events', () => {
  it('are those of the domain, no more and no fewer', () => {
    expect(Object.keys(EVENT_SCHEMAS).sort()).toEqual([...EVENT_TYPES].sort());
  });

  it.each(EVENT_TYPES)('%s: a full sample conforms and survives the way through its message', (type) => {
    const data = copyOf(type);
    const schema = EVENT_SCHEMAS[type] as DescMessage;
    expect(conforms(type, data)).toEqual([]);
    const message = fromJson(schema, data as JsonValue, { ignoreUnknownFields: false });
    const back = toJson(schema, message, { useProtoFieldName: true, alwaysEmitImplicit: true }) as JsonObject;
    expect(withNumbers(schema, back)).toEqual(data);
  });

  it.each(EVENT_TYPES)('%s: the sample names every field of its message', (type) => {
    const names = EVENT_SCHEMAS[type]?.fields.map(({ name }) => name) ?? [];
    expect(Object.keys(sampleEvent(type).data).sort()).toEqual([...names].sort());
  });
});

describe('conforms', () => {
  it.each(EVENT_TYPES)('%s: names each required field that is missing, and no optional one', (type) => {
    for (const field of EVENT_SCHEMAS[type]?.fields ?? []) {
      const { [field.name]: _removed, ...data } = copyOf(type);
      const expected = field.proto.proto3Optional ? [] : [`data.${field.name} is missing`];
      expect(conforms(type, data)).toEqual(expected);
    }
  });

  it.each(EVENT_TYPES)('%s: names each field of a wrong kind', (type) => {
    for (const field of EVENT_SCHEMAS[type]?.fields ?? []) {
      if (field.message?.typeName === 'google.protobuf.Value') continue;
      const wrong: JsonValue = field.scalar === ScalarType.BOOL ? 'true' : true;
      const faults = conforms(type, { ...copyOf(type), [field.name]: wrong });
      expect(faults).toHaveLength(1);
      expect(faults[0]).toMatch(new RegExp(`^data\\.${field.name} is `));
    }
  });

  it.each([
    [
      'a whole number as text',
      'run.started',
      { work_seq: '7' },
      /^data\.work_seq is a string, not a whole number/,
    ],
    ['half an integer', 'run.started', { attempt: 1.5 }, /^data\.attempt is 1\.5, not a whole number/],
    ['an integer past 32 bits', 'run.started', { attempt: 2 ** 31 }, /^data\.attempt is 2147483648/],
    ['an integer past 2^53', 'run.started', { work_seq: 2 ** 53 }, /^data\.work_seq is 9007199254740992/],
    [
      'a number that is none',
      'tool.returned',
      { duration_ms: Number.NaN },
      /^data\.duration_ms is NaN, not a number/,
    ],
    ['null for what is required', 'run.started', { pool: null }, /^data\.pool is null, not a string/],
    [
      'a nested field',
      'run.requested',
      { limits: { max_turns: 'ten', max_attempts: 3 } },
      /^data\.limits\.max_turns is a string/,
    ],
    ['a nested missing field', 'cost.added', { usage: {} }, /^data\.usage\.input_tokens is missing/],
    [
      'an element of a list',
      'run.requested',
      { env_keys: ['A', 7] },
      /^data\.env_keys\[1\] is 7, not a string/,
    ],
    [
      'a message in a list',
      'stop.observed',
      { in_flight: [{ kind: 'a', name: 'b' }] },
      /^data\.in_flight\[0\]\.started_at is missing/,
    ],
    ['a value of a map', 'run.requested', { labels: { a: 1 } }, /^data\.labels\["a"\] is 1, not a string/],
    ['an array for an object', 'run.failed', { error: [] }, /^data\.error is an array, not an object/],
    ['an inherited field', 'run.failed', Object.create({ error: {} }) as object, /^data\.error is missing/],
  ] as const)('refuses %s', (_name, type, change, fault) => {
    const data = Object.getPrototypeOf(change) === Object.prototype ? { ...copyOf(type), ...change } : change;
    expect(conforms(type, data)[0]).toMatch(fault);
  });

  it.each([undefined, null, 7, 'text', [], true])('refuses data that is %p', (data) => {
    expect(conforms('run.failed', data)).toHaveLength(1);
  });

  it('takes null for what is optional, in free JSON, and no limit', () => {
    expect(conforms('run.requested', { ...copyOf('run.requested'), parent: null, input: null })).toEqual([]);
    const limits = { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 3 };
    expect(conforms('run.requested', { ...copyOf('run.requested'), limits })).toEqual([]);
  });

  it('takes fields of a later version, and whole types of one', () => {
    expect(conforms('run.failed', { ...copyOf('run.failed'), later: { x: 1 } })).toEqual([]);
    expect(conforms('run.teleported', { anything: 1 })).toEqual([]);
  });

  it.each(['__proto__', 'constructor', 'toString', ''])('knows no type %p', (type) => {
    expect(conforms(type, 7)).toEqual([]);
  });

  it('stops at 20 faults', () => {
    const env_keys = Array.from({ length: 10_000 }, () => 1);
    expect(conforms('run.requested', { ...copyOf('run.requested'), env_keys })).toHaveLength(20);
  });
});

describe('decodeEventStrict', () => {
  it.each(EVENT_TYPES)('%s: decodes what was encoded', (type) => {
    const line = encodeEvent(sampleEvent(type));
    expect(decodeEventStrict(line)).toEqual(sampleEvent(type));
    expect(encodeEvent(decodeEventStrict(line))).toBe(line);
  });

  it('throws Poison that names type, number and field', () => {
    const line = JSON.stringify({ ...sampleEvent('run.failed', 9), data: { error: { code: 7 } } });
    expect(() => decodeEvent(line)).not.toThrow();
    expect(() => decodeEventStrict(line)).toThrow(Poison);
    expect(() => decodeEventStrict(line)).toThrow(
      /^run\.failed 9: data\.error\.code is 7, not a string; data\.error\.category is missing/,
    );
  });

  it('keeps an unknown type and its data', () => {
    const line = JSON.stringify({
      ...sampleEvent('run.failed'),
      type: 'run.teleported',
      data: { to: 'Mars' },
    });
    expect(encodeEvent(decodeEventStrict(line))).toBe(line);
  });
});
