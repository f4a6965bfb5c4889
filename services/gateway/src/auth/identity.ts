import type { Channel } from '@runledger/run';
import type { RefusalReason } from '../audit/refused-uses.ts';
import {
  DEFAULT_MAX_STREAMS,
  DEFAULT_REQUESTS_PER_MIN,
  isScope,
  type KeyRecord,
  liveSecrets,
  statusOf,
} from '../keys/key-record.ts';
import type { SessionRecord } from '../sessions/session-record.ts';
import type { Principal } from './principal.ts';
import { sameSecret } from './secret-token.ts';

/** Who it is, whatever showed it. */
export type Identity = Omit<Principal, 'credential' | 'channel'>;

/** Of everybody who comes with a token: there is no record of a key that could say otherwise. */
export const TOKEN_LIMITS = {
  requests_per_min: DEFAULT_REQUESTS_PER_MIN,
  max_streams: DEFAULT_MAX_STREAMS,
} as const;

export const identityOfKey = (record: KeyRecord): Identity => ({
  key_id: record.key_id,
  tenant_id: record.tenant_id,
  user_id: record.user_id,
  scopes: new Set(record.scopes.filter(isScope)),
  workspace_ids: record.workspace_ids,
  agent_id: record.agent_id,
  expires_at: record.expires_at,
  requests_per_min: record.requests_per_min,
  max_streams: record.max_streams,
});

/** What the token said that opened the session. */
export function identityOfToken(
  session: SessionRecord,
  token: Extract<SessionRecord['opened_with'], { kind: 'token' }>,
): Identity {
  const { key_id, scopes, workspace_ids, agent_id, expires_at } = token;
  const { tenant_id, user_id } = session;
  const allowed = { scopes: new Set(scopes), workspace_ids, agent_id, expires_at };
  return { key_id, tenant_id, user_id, ...allowed, ...TOKEN_LIMITS };
}

/** Why a key whose secret has this HMAC opens nothing; undefined when it does. */
export function refusalOf(record: KeyRecord | undefined, hmac: string): RefusalReason | undefined {
  if (!record) return 'unknown';
  const now = Date.now();
  if (liveSecrets(record, now).some((live) => sameSecret(live, hmac))) return undefined;
  const known = [record.hmac, ...(record.previous ? [record.previous.hmac] : [])];
  if (!known.some((other) => sameSecret(other, hmac))) return 'wrong_secret';
  return statusOf(record, now) === 'revoked' ? 'revoked' : 'expired';
}

export const channelOf = (userAgent: string | undefined): Channel =>
  userAgent?.startsWith('runledger-cli/') ? 'cli' : 'api';
