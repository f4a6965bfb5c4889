import { LocalDays } from './local-days.ts';

/** What is wrong with a cron expression, in words for who wrote it. */
export class CronFault extends Error {}

interface Field {
  name: string;
  least: number;
  most: number;
  /** Names of the values from `least` on. */
  names?: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const FIELDS: readonly [Field, Field, Field, Field, Field] = [
  { name: 'minute', least: 0, most: 59 },
  { name: 'hour', least: 0, most: 23 },
  { name: 'day of month', least: 1, most: 31 },
  { name: 'month', least: 1, most: 12, names: MONTHS },
  { name: 'day of week', least: 0, most: 7, names: DAYS },
];
/** 29 February of a given weekday comes again within 40 years, also across a century that has none. */
const MOST_DAYS = 41 * 366;
const DAY_MS = 86_400_000;

/**
 * A cron expression of five fields: minute, hour, day of month, month, day of week. Lists, ranges, steps, names. When both
 * days are restricted, one of them is enough.
 */
export class Cron {
  readonly #minutes: number[];
  readonly #hours: number[];
  readonly #days: Set<number>;
  readonly #months: Set<number>;
  readonly #weekdays: Set<number>;
  readonly #anyDay: boolean;
  readonly #anyWeekday: boolean;
  /** The hour field begins with `*`: it follows the time that passes, not the clock on the wall. */
  readonly #everyHour: boolean;

  /** Throws CronFault. */
  constructor(expression: string) {
    const fields = expression.trim().split(/\s+/);
    if (fields.length !== 5)
      throw new CronFault('must have five fields: minute, hour, day of month, month, day of week');
    const [minutes, hours, days, months, weekdays] = FIELDS.map((field, index) =>
      valuesOf(field, fields[index] as string),
    ) as [number[], number[], number[], number[], number[]];
    this.#minutes = minutes;
    this.#hours = hours;
    this.#days = new Set(days);
    this.#months = new Set(months);
    this.#weekdays = new Set(weekdays.map((day) => day % 7));
    this.#anyDay = (fields[2] as string).startsWith('*');
    this.#anyWeekday = (fields[4] as string).startsWith('*');
    this.#everyHour = (fields[1] as string).startsWith('*');
  }

  /**
   * The first due time after `after`, both in milliseconds since the epoch; `undefined`: there is none. A time of day that
   * the zone leaves out is due when the gap ends; one that comes twice is due the first time, and both times where the
   * hour field begins with `*`.
   */
  next(after: number, timeZone: string): number | undefined {
    const days = new LocalDays(timeZone);
    const first = days.dateOf(after) - DAY_MS;
    for (let step = 0; step < MOST_DAYS; step++) {
      const day = first + step * DAY_MS;
      if (!this.#isOn(new Date(day))) continue;
      const due = days.firstAfter(day, this.#timesOfDay(), after, this.#everyHour);
      if (due !== undefined) return due;
    }
    return undefined;
  }

  /** The last due time in (after, until], or `undefined`. Milliseconds since the epoch. */
  last(after: number, until: number, timeZone: string): number | undefined {
    for (let back = 3_600_000; ; back *= 24) {
      const from = Math.max(after, until - back);
      let last: number | undefined;
      for (
        let due = this.next(from, timeZone);
        due !== undefined && due <= until;
        due = this.next(due, timeZone)
      )
        last = due;
      if (last !== undefined || from === after) return last;
    }
  }

  #isOn(date: Date): boolean {
    if (!this.#months.has(date.getUTCMonth() + 1)) return false;
    const day = this.#days.has(date.getUTCDate());
    const weekday = this.#weekdays.has(date.getUTCDay());
    return this.#anyDay || this.#anyWeekday ? day && weekday : day || weekday;
  }

  /** Milliseconds since midnight, in order. */
  *#timesOfDay(): Iterable<number> {
    for (const hour of this.#hours) for (const minute of this.#minutes) yield (hour * 60 + minute) * 60_000;
  }
}

function valuesOf(field: Field, text: string): number[] {
  const values = new Set<number>();
  for (const part of text.split(',')) for (const value of rangeOf(field, part)) values.add(value);
  return [...values].sort((a, b) => a - b);
}

function* rangeOf(field: Field, part: string): Iterable<number> {
  const [range = '', stepText, ...rest] = part.split('/');
  if (rest.length > 0) throw new CronFault(`${field.name}: "${part}" has more than one step`);
  const step = stepText === undefined ? 1 : numberOf(stepText);
  if (step === undefined || step < 1 || step > field.most)
    throw new CronFault(
      `${field.name}: the step of "${part}" must be a whole number from 1 to ${field.most}`,
    );
  const [from, to] = endsOf(field, range, stepText !== undefined);
  if (from > to) throw new CronFault(`${field.name}: "${range}" ends before it begins`);
  for (let value = from; value <= to; value += step) yield value;
}

function endsOf(field: Field, range: string, hasStep: boolean): [number, number] {
  // Day of week goes from 0 to 6; 7 is another name of 0.
  const most = field.name === 'day of week' ? 6 : field.most;
  if (range === '*') return [field.least, most];
  const [fromText = '', toText, ...rest] = range.split('-');
  if (rest.length > 0) throw new CronFault(`${field.name}: "${range}" is no range`);
  const from = valueOf(field, fromText);
  if (toText !== undefined) return [from, valueOf(field, toText)];
  return [from, hasStep ? most : from];
}

function valueOf(field: Field, text: string): number {
  const named = field.names?.indexOf(text.toLowerCase()) ?? -1;
  const value = named < 0 ? numberOf(text) : named + field.least;
  if (value === undefined || value < field.least || value > field.most)
    throw new CronFault(`${field.name}: "${text.slice(0, 20)}" is not from ${field.least} to ${field.most}`);
  return value;
}

const numberOf = (text: string): number | undefined => (/^\d{1,2}$/.test(text) ? Number(text) : undefined);
