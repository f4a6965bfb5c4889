import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Ordered, Ring } from '../src/admission/ordered.ts';

const byNumber = (a: number, b: number): number => a - b;

describe('Ordered', () => {
  it('is what sorting gives, after any adding and removing, also of thousands', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(1_000_000), { minLength: 0, maxLength: 3_000, size: 'max' }),
        (numbers) => {
          const ordered = new Ordered(byNumber);
          for (const number of numbers) ordered.add(number);
          const gone = new Set(numbers.filter((_, index) => index % 3 === 0));
          for (const number of gone) ordered.remove(number);
          ordered.remove(-1);
          const left = numbers.filter((number) => !gone.has(number)).sort(byNumber);
          expect([...ordered]).toEqual(left);
          expect(ordered.first).toBe(left[0]);
          const middle = left[Math.floor(left.length / 2)] ?? 0;
          const from = left.filter((number) => number >= middle);
          expect([...ordered.from((number) => number - middle)]).toEqual([
            ...from,
            ...left.filter((n) => n < middle),
          ]);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('Ring', () => {
  it('visits every name once, from the one after the last or from the last itself', () => {
    const ring = new Ring<number>();
    for (const name of ['c', 'a', 'b']) ring.getOrAdd(name, () => name.charCodeAt(0));
    const names = (last?: string, inclusive = false): string =>
      [...ring.from(last, inclusive)].map(([n]) => n).join('');
    expect([names(), names('a'), names('a', true), names('c'), names('bb')]).toEqual([
      'abc',
      'bca',
      'abc',
      'abc',
      'cab',
    ]);
    ring.delete('b');
    expect(names('a')).toBe('ca');
  });
});
