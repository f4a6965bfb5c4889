import { describe, expect, it } from '@jest/globals';
import type { RecordedEvent } from '@runledger/harness';
import { RecordedSteps } from '../src/boundary/recorded-steps.ts';
import { signatureOf } from '../src/boundary/signature.ts';

function history(...events: [type: string, data: object][]): RecordedEvent[] {
  return events.map(([type, data], index) => ({ seq: index + 1, type, attempt: 1, data }));
}

const called: [string, object] = [
  'tool.called',
  { call_id: 'c0', index: 0, name: 'pay', args: {}, idempotent: false, args_sha256: 's' },
];
const started: [string, object] = ['run.started', {}];
const resolved = (choice: string): [string, object] => [
  'outcome.resolved',
  { call_id: 'c0', choice, result: 7 },
];

describe('recorded steps', () => {
  it.each([
    ['another kind', 'model', 'pay', 's'],
    ['another name', 'tool', 'refund', 's'],
    ['other arguments', 'tool', 'pay', 't'],
  ])('%s at an index is not the same step', (_what, kind, name, signature) => {
    const steps = new RecordedSteps(history(called));
    expect(() => steps.match(0, kind, name, signature)).toThrow(
      expect.objectContaining({
        code: 'nondeterministic_agent',
        message: expect.stringMatching(/index 0 .*tool "pay"/),
      }),
    );
    expect(steps.match(0, 'tool', 'pay', 's')).toMatchObject({ state: 'called' });
    expect(steps.match(1, kind, name, signature)).toBeUndefined();
  });

  it('a call that a person had done again is open again once that attempt is lost', () => {
    const once = new RecordedSteps(
      history(called, ['outcome.unknown', { call_id: 'c0' }], resolved('retry'), started),
    );
    expect(once.match(0, 'tool', 'pay', 's')?.outcome).toBe('retry');
    const twice = new RecordedSteps(
      history(called, ['outcome.unknown', { call_id: 'c0' }], resolved('retry'), started, started),
    );
    expect(twice.match(0, 'tool', 'pay', 's')).toMatchObject({ state: 'called' });
    expect(twice.match(0, 'tool', 'pay', 's')?.outcome).toBeUndefined();
  });

  it('what a person said stays said', () => {
    const steps = new RecordedSteps(
      history(called, ['outcome.unknown', { call_id: 'c0' }], resolved('mark_done'), started, started),
    );
    expect(steps.match(0, 'tool', 'pay', 's')).toMatchObject({ outcome: 'mark_done', result: 7 });
  });

  it('equal arguments have equal signatures, whatever the order of their keys', () => {
    expect(signatureOf({ a: 1, b: [{ d: null, c: 'x' }] })).toBe(
      signatureOf({ b: [{ c: 'x', d: null }], a: 1 }),
    );
    expect(signatureOf([1, 2])).not.toBe(signatureOf([2, 1]));
    expect(signatureOf('1')).not.toBe(signatureOf(1));
  });
});
