import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assertId, type IdKind, isId, Poison } from '../src/index.ts';

const KINDS: IdKind[] = ['tenant_id', 'user_id', 'workspace_id', 'agent_id', 'run_id', 'token'];

const VALID: Record<IdKind, string[]> = {
  tenant_id: ['a', 'Acme_1-x', 'A'.repeat(64)],
  user_id: ['a', 'Ada_1-x', '-', '_', '0'.repeat(64)],
  workspace_id: ['main'],
  agent_id: ['a', '0', 'hello-code', 'a'.repeat(64)],
  run_id: ['01JD4Z3Q9WXK8V5T2N7M6H4F1C', '7ZZZZZZZZZZZZZZZZZZZZZZZZZ', '00000000000000000000000000'],
  token: ['default', 'a_B-9'],
};

const BAD = [
  '',
  '.',
  'a.b',
  '*',
  'a*',
  '>',
  'a>',
  ' ',
  'a b',
  ' a',
  'a ',
  'a\n',
  '\na',
  'a\r\nNats-Rollup: all',
  'a\r',
  'a\t',
  'a\0',
  '\u0000',
  'a'.repeat(300),
  'A'.repeat(65),
  'é',
  'ａ',
  'аcme',
  '世界',
  '🙂',
  'a\u200b',
  'e\u0301',
  '\ud800',
  '$JS',
  'a/b',
  '../x',
  'a:b',
  '%2e',
  '__proto__.x',
];

describe.each(KINDS)('%s', (kind) => {
  it.each(VALID[kind])('takes %p', (id) => {
    expect(isId(kind, id)).toBe(true);
    expect(assertId(kind, id)).toBe(id);
  });

  it.each(BAD)('refuses %j', (id) => {
    expect(isId(kind, id)).toBe(false);
    expect(() => assertId(kind, id)).toThrow(Poison);
    expect(() => assertId(kind, id)).toThrow(expect.objectContaining({ code: 'invalid_id' }));
  });

  it.each([undefined, null, 7, true, ['a'], { toString: () => 'a' }])('refuses the non-text %p', (value) => {
    expect(isId(kind, value)).toBe(false);
    expect(() => assertId(kind, value)).toThrow(Poison);
  });

  it('takes nothing that is more than one harmless token', () => {
    const anything = fc.oneof(
      fc.string({ maxLength: 80 }),
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc.string({ unit: fc.constantFrom('a', 'Z', '-', '.', '*', '>', ' ', '\n') }),
    );
    fc.assert(
      fc.property(anything, (id) => !isId(kind, id) || /^[A-Za-z0-9_-]{1,64}$/.test(id)),
      { numRuns: 500 },
    );
  });

  it('refuses every valid id with a foreign character put anywhere in it', () => {
    const foreign = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 1 })
      .filter((one) => !/[A-Za-z0-9_-]/.test(one));
    fc.assert(
      fc.property(
        fc.constantFrom(...VALID[kind]),
        foreign,
        fc.nat(64),
        (id, one, at) => !isId(kind, id.slice(0, at) + one + id.slice(at)),
      ),
      { numRuns: 500 },
    );
  });
});

describe('forms of their own', () => {
  it.each(['Hello', '-a', 'a_b'])('agent_id refuses %p', (id) => expect(isId('agent_id', id)).toBe(false));
  it.each([
    '01jd4z3q9wxk8v5t2n7m6h4f1c',
    '81JD4Z3Q9WXK8V5T2N7M6H4F1C',
    '01JD4Z3Q9WXK8V5T2N7M6H4F1I',
    '01JD4Z3Q9WXK8V5T2N7M6H4F1',
  ])('run_id refuses %p', (id) => expect(isId('run_id', id)).toBe(false));
});
