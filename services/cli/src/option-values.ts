import { InvalidArgumentError } from 'commander';

/** Parsers of option values; what they throw is shown by commander with the option's name. */

export function wholeNumber(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

export function positive(text: string): number {
  const value = wholeNumber(text);
  if (value === 0) throw new InvalidArgumentError('It must be at least 1.');
  return value;
}

export function amount(text: string): number {
  if (!/^\d{1,9}(\.\d{1,9})?$/.test(text)) throw new InvalidArgumentError('It must be an amount like 0.50.');
  return Number(text);
}

export function seconds(text: string): number {
  if (!/^\d{1,9}(\.\d{1,3})?$/.test(text)) throw new InvalidArgumentError('It must be a number of seconds.');
  return Number(text);
}

/** Collects `k=v` of a repeated option; a value may be empty and hold further equals signs. */
export function keyValue(text: string, before: Record<string, string> | undefined): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be key=value.');
  const key = text.slice(0, at);
  if (before && Object.hasOwn(before, key)) throw new InvalidArgumentError(`${key} is given twice.`);
  return { ...before, [key]: text.slice(at + 1) };
}

/** `k=v` of an option that is given once: the list is filtered by one label. */
export function oneLabel(
  text: string,
  before: { key: string; value: string } | undefined,
): { key: string; value: string } {
  if (before) throw new InvalidArgumentError('It can be given once.');
  const [[key, value] = ['', '']] = Object.entries(keyValue(text, undefined));
  return { key, value };
}
