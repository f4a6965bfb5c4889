import type { Json } from '@runledger/run';

/** Readers of recorded data that may be anything: each answers a value of its type, whatever it is given. */

export type Loose = Record<string, unknown>;

export const record = (value: unknown): Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Loose) : {};

export const text = (value: unknown): string => (typeof value === 'string' ? value : '');

export const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** A whole number, 0 when it is none. */
export const whole = (value: unknown): number => (Number.isSafeInteger(value) ? (value as number) : 0);

export const wholeOrNull = (value: unknown): number | null =>
  Number.isSafeInteger(value) ? (value as number) : null;

export const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];

export const textRecord = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(record(value)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );

/** Free JSON as it was recorded. */
export const json = (value: unknown): Json => (value === undefined ? null : (value as Json));

/** One of a closed list, or the fallback. */
export const oneOf = <T extends string>(allowed: readonly T[], value: unknown, fallback: T): T =>
  allowed.find((item) => item === value) ?? fallback;
