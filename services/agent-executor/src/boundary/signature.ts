import { createHash } from 'node:crypto';
import type { JsonValue } from '@runledger/harness';

/** SHA-256 of a value as canonical JSON: keys sorted, so that equal values have equal signatures. */
export function signatureOf(value: JsonValue | undefined): string {
  return createHash('sha256')
    .update(canonical(value ?? null))
    .digest('hex');
}

function canonical(value: JsonValue): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value))
    return `[${value.map((item: JsonValue | undefined) => canonical(item ?? null)).join(',')}]`;
  const entries = Object.entries(value as Record<string, JsonValue | undefined>).filter(
    ([, item]) => item !== undefined,
  );
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item ?? null)}`).join(',')}}`;
}
