import { describe, expect, it } from '@jest/globals';
import { isMet, ratioOf, type Figure, type Measured } from '../figure.ts';
import { FrameReader } from '../frame-reader.ts';
import { readOptions } from '../options.ts';
import { reportOf } from '../report.ts';
import { median, percentile } from '../spread.ts';

const figure = (more: Partial<Figure>): Figure => ({
  label: 'accepted p50',
  unit: 'ms',
  better: 'lower',
  product: 3,
  raw: 2,
  ...more,
});

describe('spread', () => {
  it('takes the nearest rank and the middle, whatever the order', () => {
    const values = [5, 1, 4, 2, 3];
    expect([percentile(values, 0.5), percentile(values, 0.99), percentile(values, 0)]).toEqual([3, 5, 1]);
    expect([median(values), median([4, 1, 2, 3]), median([7])]).toEqual([3, 2.5, 7]);
    expect([percentile([], 0.5), median([])]).toEqual([Number.NaN, Number.NaN]);
  });
});

describe('targets', () => {
  it.each([
    [figure({ target: { ratio: 1.5 } }), true],
    [figure({ target: { ratio: 1.4 } }), false],
    [figure({ target: { value: 2.9 } }), false],
    [figure({ better: 'higher', target: { ratio: 1.5 } }), true],
    [figure({ better: 'higher', target: { ratio: 1.5, value: 4 } }), false],
    [figure({ raw: undefined, target: { ratio: 1 } }), false],
    [figure({}), undefined],
  ])('%j: %s', (one, met) => expect(isMet(one)).toBe(met));

  it('a limit of nothing gives no ratio', () => expect(ratioOf(figure({ raw: 0 }))).toBeUndefined());
});

describe('the report', () => {
  it('shows a ratio beside its limit, what is missed, and the change of the ratio since an earlier run', () => {
    const measured = (one: Figure): Measured => ({
      name: 'latency',
      setup: 'one process',
      method: 'How.',
      figures: [one],
      notes: ['a note'],
      load: [0.5, 1],
    });
    const now = measured(figure({ target: { ratio: 1.2 } }));
    expect(reportOf(now, measured(figure({ product: 4 })))).toBe(
      [
        'latency · one process · load 0.5 → 1.0',
        '  How.',
        '    accepted p50  3.00 ms  raw 2.00  1.50 ×  ≤ 1.2 × MISSED  before 4.00 (ratio -25 %)',
        '    a note',
        '',
      ].join('\n'),
    );
  });
});

describe('frames', () => {
  it('are whole however the bytes arrive, and pings are none', () => {
    const seen: [number, string][] = [];
    const reader = new FrameReader((seq, type) => seen.push([seq, type]));
    const bytes = Buffer.from(
      'retry: 1000\n\nid: 1\nevent: a.b\ndata: {"ä":1}\n\n: ping\n\nid: 2\nevent: c\ndata: {}\n\nid: 3\n',
    );
    for (const byte of bytes) reader.take(Buffer.from([byte]));
    expect(seen).toEqual([
      [1, 'a.b'],
      [2, 'c'],
    ]);
  });
});

describe('options', () => {
  it('choose measures and set-ups', () => {
    expect(readOptions(['b', '--seconds', '2', '--setup', 'many'], ['a', 'b'])).toMatchObject({
      names: ['b'],
      setups: ['processes'],
      seconds: 2,
      rounds: 3,
    });
    expect(readOptions([], ['a', 'b']).names).toEqual(['a', 'b']);
  });

  it.each([
    [['c'], /no bench "c"/],
    [['--seconds', '0'], /--seconds/],
    [['--setup', 'three'], /--setup/],
  ])('%j is refused', (args, said) => expect(() => readOptions(args, ['a'])).toThrow(said));
});
