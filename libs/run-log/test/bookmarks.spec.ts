import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Bookmarks } from '../src/engine/bookmarks.ts';

const RUN = { tenant_id: 'acme', run_id: '01M7Z1VMDZR630TW9CBWM0QVWA' };

describe('bookmarks', () => {
  it('never lead past what comes after a cursor, whatever was read in which order', () => {
    const read = fc.array(fc.nat({ max: 20_000 }), { maxLength: 60 });
    fc.assert(
      fc.property(read, fc.nat({ max: 20_000 }), (commits, after) => {
        const bookmarks = new Bookmarks();
        // The commit that ends with event n is message 3n of the stream.
        for (const last of commits) bookmarks.keep(RUN, { last, stream_seq: last * 3 });
        expect(bookmarks.from(RUN, after)).toBeLessThanOrEqual(after * 3 + 1);
      }),
    );
  });

  it('after a run was read once, a read from anywhere begins near its cursor', () => {
    const bookmarks = new Bookmarks();
    for (let last = 50; last <= 100_000; last += 50) bookmarks.keep(RUN, { last, stream_seq: last * 3 });
    for (let after = 1_000; after <= 100_000; after += 777)
      expect(bookmarks.from(RUN, after)).toBeGreaterThan((after - 150) * 3);
    expect(bookmarks.from(RUN, 100_000)).toBe(300_001);
    expect(bookmarks.from(RUN, 10)).toBe(1);
    expect(bookmarks.from({ ...RUN, tenant_id: 'other' }, 100_000)).toBe(1);
  });

  it('also when it was read from its middle on first', () => {
    const bookmarks = new Bookmarks();
    for (let last = 6_000; last <= 9_000; last += 100) bookmarks.keep(RUN, { last, stream_seq: last });
    for (let last = 100; last <= 6_000; last += 100) bookmarks.keep(RUN, { last, stream_seq: last });
    expect(bookmarks.from(RUN, 3_500)).toBeGreaterThan(2_400);
    expect(bookmarks.from(RUN, 8_500)).toBeGreaterThan(7_400);
  });
});
