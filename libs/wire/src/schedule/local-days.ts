const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The days of a time zone as `Intl` knows it. A local date is written as midnight UTC of the same date, in milliseconds. */
export class LocalDays {
  readonly #format: Intl.DateTimeFormat;

  /** Throws RangeError for a zone that there is not. */
  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  dateOf(at: number): number {
    const local = at + this.#offsetAt(at);
    return local - (((local % (24 * HOUR_MS)) + 24 * HOUR_MS) % (24 * HOUR_MS));
  }

  /** The first moment after `after` at which the local day `date` shows one of `times` (milliseconds since midnight). */
  firstAfter(date: number, times: Iterable<number>, after: number, bothTimes: boolean): number | undefined {
    // Offsets go from -12 to +14 hours: whatever the day's offset, it lies between these two.
    const before = this.#offsetAt(date - 15 * HOUR_MS);
    const later = this.#offsetAt(date + 37 * HOUR_MS);
    let first: number | undefined;
    for (const time of times) {
      const moments =
        before === later ? [date + time - before] : this.#momentsOf(date, time, [before, later], bothTimes);
      for (const moment of moments)
        if (moment > after && (first === undefined || moment < first)) first = moment;
      if (before === later && first !== undefined) return first;
    }
    return first;
  }

  /** On a day on which, or beside which, clocks are changed. */
  #momentsOf(date: number, time: number, offsets: [number, number], bothTimes: boolean): number[] {
    const moments = offsets
      .map((offset) => ({ offset, moment: date + time - offset }))
      .filter(({ offset, moment }) => this.#offsetAt(moment) === offset)
      .map(({ moment }) => moment)
      .sort((a, b) => a - b);
    if (moments.length === 0)
      return [this.#changeAfter(date - 15 * HOUR_MS, date + 37 * HOUR_MS, offsets[0])];
    return bothTimes ? moments : moments.slice(0, 1);
  }

  /** The first whole minute in (from, to] at which the offset is no longer `offset`. */
  #changeAfter(from: number, to: number, offset: number): number {
    let low = from / MINUTE_MS;
    let high = to / MINUTE_MS;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.#offsetAt(middle * MINUTE_MS) === offset) low = middle;
      else high = middle;
    }
    return high * MINUTE_MS;
  }

  /** Milliseconds that the zone's clocks are ahead of UTC. */
  #offsetAt(at: number): number {
    const parts: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {};
    const whole = Math.floor(at / 1_000) * 1_000;
    for (const { type, value } of this.#format.formatToParts(whole)) parts[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - whole;
  }
}
