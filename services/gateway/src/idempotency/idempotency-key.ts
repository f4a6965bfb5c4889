import { createHash } from 'node:crypto';
import type { Principal } from '../auth/principal.ts';
import { invalid } from '../problem/problem.ts';

/** The checked header, or nothing when the request has none. */
export function idempotencyKeyOf(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && /^[\x21-\x7e]{1,255}$/.test(header)) return header;
  throw invalid([
    { in: 'header', pointer: '/idempotency-key', detail: 'must be 1-255 visible ASCII characters' },
  ]);
}

/** Keys of one user never meet another's. Hex. */
export const reservationKey = (caller: Pick<Principal, 'tenant_id' | 'user_id'>, key: string): string =>
  sha256(JSON.stringify([caller.tenant_id, caller.user_id, key]));

/** The same for equal JSON, whatever the order of its keys. Hex. */
export const bodyFingerprint = (body: unknown): string => sha256(JSON.stringify(sorted(body)));

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, item]) => [key, sorted(item)]);
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
