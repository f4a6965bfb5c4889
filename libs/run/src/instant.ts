const pattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3})\d*)?Z$/;

/** `at` (RFC 3339, UTC) and `seconds` later, with milliseconds; `undefined` when `at` is no such time. Arithmetic only, no clock. */
export function secondsAfter(at: string, seconds: number): string | undefined {
  const match = pattern.exec(at);
  if (!match || !Number.isFinite(seconds)) return undefined;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  const milliseconds = Number((match[7] ?? '0').padEnd(3, '0'));
  const clock = ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds + Math.round(seconds * 1000);
  const days = Math.floor(clock / 86_400_000);
  const date = dateOf(dayNumber(year, month, day) + days);
  return date === undefined ? undefined : `${date}T${timeOf(clock - days * 86_400_000)}Z`;
}

/** Days since 0000-03-01 of the proleptic Gregorian calendar; years begin in March, so that a leap day is the last. */
function dayNumber(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1;
  const monthFromMarch = (month + 9) % 12;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + Math.floor((153 * monthFromMarch + 2) / 5) + day - 1;
}

function dateOf(days: number): string | undefined {
  const era = Math.floor(days / 146_097);
  const ofEra = days - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * ofYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  if (year < 0 || year > 9999) return undefined;
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(ofYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1, 2)}`;
}

function timeOf(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return `${parts.map((part) => pad(part, 2)).join(':')}.${pad(milliseconds % 1000, 3)}`;
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}
