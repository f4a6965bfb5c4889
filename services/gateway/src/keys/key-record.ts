import { z } from 'zod';
import { SCOPES } from '../auth/principal.ts';

const hex = z.string().regex(/^[0-9a-f]{64}$/);

/** Of a key that does not say. */
export const DEFAULT_REQUESTS_PER_MIN = 600;
export const DEFAULT_MAX_STREAMS = 200;

/** The value in bucket `api-keys` under the key id. Unknown fields are kept by whoever rewrites it. Times are RFC 3339. */
export const KeyRecord = z.looseObject({
  key_id: z.string(),
  tenant_id: z.string(),
  user_id: z.string(),
  name: z.string(),
  /** The part after `rl_`. */
  env: z.string().default('live'),
  hmac: hex,
  /** The secret before the last rotation, good until `until`. */
  previous: z.object({ hmac: hex, until: z.string() }).optional(),
  scopes: z.array(z.string()),
  workspace_ids: z.array(z.string()),
  agent_id: z.string().optional(),
  /** null: no limit; absent: the default. */
  requests_per_min: z.int().nullable().default(DEFAULT_REQUESTS_PER_MIN),
  max_streams: z.int().nullable().default(DEFAULT_MAX_STREAMS),
  created_at: z.string(),
  created_by: z.string().optional(),
  expires_at: z.string().optional(),
  rotated_at: z.string().optional(),
  revoked_at: z.string().optional(),
  /** To the minute. */
  last_used_at: z.string().optional(),
});
export type KeyRecord = z.infer<typeof KeyRecord>;

export type KeyStatus = 'active' | 'expired' | 'revoked';

export function statusOf(record: KeyRecord, now: number): KeyStatus {
  if (record.revoked_at !== undefined) return 'revoked';
  const over = record.expires_at !== undefined && !(Date.parse(record.expires_at) > now);
  return over ? 'expired' : 'active';
}

/** The HMACs of the secrets that open something: none of a key that has ended, two while one takes over from another. */
export function liveSecrets(record: KeyRecord, now: number): string[] {
  if (statusOf(record, now) !== 'active') return [];
  const { previous } = record;
  return previous && Date.parse(previous.until) > now ? [record.hmac, previous.hmac] : [record.hmac];
}

export const isScope = (text: string): text is (typeof SCOPES)[number] =>
  (SCOPES as readonly string[]).includes(text);
