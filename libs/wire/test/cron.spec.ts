import { describe, expect, it } from '@jest/globals';
import { Cron, CronFault, isTimeZone } from '../src/index.ts';

/** The first `count` due times after a moment, as RFC 3339. */
function due(expression: string, timeZone: string, after: string, count = 1): string[] {
  const cron = new Cron(expression);
  const found: string[] = [];
  for (let at = cron.next(Date.parse(after), timeZone); at !== undefined && found.length < count;) {
    found.push(new Date(at).toISOString().replace(':00.000Z', 'Z'));
    at = cron.next(at, timeZone);
  }
  return found;
}

describe('a cron expression', () => {
  it.each([
    ['* * * * *', '2026-01-01T00:00Z', '2026-01-01T00:01Z'],
    ['*/15 * * * *', '2026-01-01T00:16Z', '2026-01-01T00:30Z'],
    ['5/20 * * * *', '2026-01-01T00:26Z', '2026-01-01T00:45Z'],
    ['0 9-17/4 * * *', '2026-01-01T09:30Z', '2026-01-01T13:00Z'],
    ['30 8 * * 1-5', '2026-01-02T09:00Z', '2026-01-05T08:30Z'],
    ['30 8 * * MON,wed', '2026-01-05T09:00Z', '2026-01-07T08:30Z'],
    ['0 0 1 jan *', '2026-06-01T00:00Z', '2027-01-01T00:00Z'],
    ['0 0 * * 7', '2026-01-01T00:00Z', '2026-01-04T00:00Z'],
    ['0 0 29 2 *', '2026-01-01T00:00Z', '2028-02-29T00:00Z'],
    ['0 0 31 * *', '2026-01-31T00:00Z', '2026-03-31T00:00Z'],
    // Either day is enough when both are restricted.
    ['0 0 13 * 5', '2026-01-01T00:00Z', '2026-01-02T00:00Z'],
    ['0 0 13 * 5', '2026-01-09T00:00Z', '2026-01-13T00:00Z'],
    ['0 0 13 * *', '2026-01-09T00:00Z', '2026-01-13T00:00Z'],
  ])('%s after %s is due at %s', (expression, after, expected) => {
    expect(due(expression, 'UTC', after)).toEqual([expected]);
  });

  it('is due strictly after the moment that is asked for', () => {
    expect(due('0 * * * *', 'UTC', '2026-01-01T01:00:00.000Z')).toEqual(['2026-01-01T02:00Z']);
    expect(due('0 * * * *', 'UTC', '2026-01-01T00:59:59.999Z')).toEqual(['2026-01-01T01:00Z']);
  });

  it('that no date fits is never due', () => {
    expect(due('0 0 30 2 *', 'UTC', '2026-01-01T00:00Z')).toEqual([]);
  });

  it.each([
    ['', 'five fields'],
    ['* * * *', 'five fields'],
    ['* * * * * *', 'five fields'],
    ['60 * * * *', 'minute'],
    ['* 24 * * *', 'hour'],
    ['* * 0 * *', 'day of month'],
    ['* * * 13 *', 'month'],
    ['* * * * 8', 'day of week'],
    ['* * * * funday', 'day of week'],
    ['*/0 * * * *', 'step'],
    ['*/x * * * *', 'step'],
    ['1/2/3 * * * *', 'step'],
    ['5-1 * * * *', 'ends before'],
    ['1-2-3 * * * *', 'range'],
    ['1,,2 * * * *', 'minute'],
    ['-1 * * * *', 'minute'],
  ])('"%s" is refused, naming the %s', (expression, words) => {
    expect(() => new Cron(expression)).toThrow(CronFault);
    expect(() => new Cron(expression)).toThrow(words);
  });

  it('finds the last due time of a span, also of a long one', () => {
    const at = (text: string): number => Date.parse(text);
    const last = (expression: string, from: string, to: string) =>
      new Cron(expression).last(at(from), at(to), 'UTC');
    expect(last('*/5 * * * *', '2020-01-01T00:00Z', '2026-01-01T00:07Z')).toBe(at('2026-01-01T00:05Z'));
    expect(last('0 0 1 1 *', '2020-01-01T00:00Z', '2026-06-01T00:00Z')).toBe(at('2026-01-01T00:00Z'));
    expect(last('0 0 1 1 *', '2026-01-01T00:00Z', '2026-06-01T00:00Z')).toBeUndefined();
  });
});

describe('time zones', () => {
  it('are those that Intl knows', () => {
    expect(['Europe/Berlin', 'UTC', 'Asia/Kolkata', 'Mars/Base', ''].map(isTimeZone)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it('move the due time with their clocks', () => {
    expect(due('0 9 * * *', 'Europe/Berlin', '2026-03-27T12:00Z', 3)).toEqual([
      '2026-03-28T08:00Z',
      '2026-03-29T07:00Z',
      '2026-03-30T07:00Z',
    ]);
    expect(due('30 9 * * *', 'Asia/Kolkata', '2026-01-01T00:00Z')).toEqual(['2026-01-01T04:00Z']);
    expect(due('0 0 * * *', 'Pacific/Kiritimati', '2026-01-01T00:00Z')).toEqual(['2026-01-01T10:00Z']);
    expect(due('0 0 * * *', 'Pacific/Pago_Pago', '2026-01-01T00:00Z')).toEqual(['2026-01-01T11:00Z']);
  });

  // Berlin, 29 March 2026: 02:00 becomes 03:00 (01:00 UTC).
  it('that leave a time of day out have it due when the gap ends, once', () => {
    expect(due('30 2 * * *', 'Europe/Berlin', '2026-03-28T02:00Z', 2)).toEqual([
      '2026-03-29T01:00Z',
      '2026-03-30T00:30Z',
    ]);
    expect(due('*/30 * * * *', 'Europe/Berlin', '2026-03-29T00:15Z', 3)).toEqual([
      '2026-03-29T00:30Z',
      '2026-03-29T01:00Z',
      '2026-03-29T01:30Z',
    ]);
  });

  // Berlin, 25 October 2026: 03:00 becomes 02:00 (01:00 UTC).
  it('that show a time of day twice have it due the first time, or both times where every hour counts', () => {
    expect(due('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', 2)).toEqual([
      '2026-10-25T00:30Z',
      '2026-10-26T01:30Z',
    ]);
    expect(due('30 * * * *', 'Europe/Berlin', '2026-10-24T23:45Z', 3)).toEqual([
      '2026-10-25T00:30Z',
      '2026-10-25T01:30Z',
      '2026-10-25T02:30Z',
    ]);
  });

  it('with changes of half an hour, and at midnight, are kept too', () => {
    // Lord Howe, 4 October 2026: 02:00 becomes 02:30 (15:30 UTC of the day before).
    expect(due('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T00:00Z')).toEqual(['2026-10-03T15:30Z']);
    // Beirut, 29 March 2026: midnight becomes 01:00 (22:00 UTC of the day before).
    expect(due('0 0 * * *', 'Asia/Beirut', '2026-03-27T23:00Z', 2)).toEqual([
      '2026-03-28T22:00Z',
      '2026-03-29T21:00Z',
    ]);
  });
});
