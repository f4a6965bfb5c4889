import type { Broker } from '@runledger/nest-jetstream';
import { assertId, ownedKey } from '@runledger/wire';
import type { Actor } from '../audit/audit-event.ts';
import { AuditTrail } from '../audit/audit-trail.ts';
import { KeyHasher, makeApiKey } from '../auth/api-key.ts';
import type { Scope } from '../auth/principal.ts';
import { Buckets } from '../broker/buckets.ts';
import type { KeyRecord } from './key-record.ts';

export interface NewApiKey {
  tenant_id: string;
  user_id: string;
  /** For people; at most 100 characters. */
  name: string;
  scopes: readonly Scope[];
  workspace_ids?: readonly string[];
  /** Makes a key that may start this one agent and use its runs. */
  agent_id?: string | undefined;
  /** RFC 3339; absent: the key does not expire. */
  expires_at?: string | undefined;
  /** Lower-case letters after `rl_`; default `live`. */
  env?: string;
  /** Limits in each gateway; null: none, which is the default of a key that the setup of a cell makes. */
  requests_per_min?: number | null;
  max_streams?: number | null;
}

/** Where keys are kept. */
export interface KeyStore {
  buckets: Buckets;
  audit: AuditTrail;
  hasher: KeyHasher;
}

export interface CreatedKey {
  api_key: string;
  record: KeyRecord;
}

/**
 * Makes a key and stores its record; the key itself is only ever in the answer. Throws Poison on an id of a wrong form
 * and LogUnavailable when the record could not be stored: then the key is worthless.
 */
export async function createApiKey(
  broker: Pick<Broker, 'nc'>,
  settings: { secretKey: Buffer },
  key: NewApiKey,
): Promise<{ api_key: string; key_id: string }> {
  const store = {
    buckets: new Buckets(broker),
    audit: new AuditTrail(broker),
    hasher: new KeyHasher(settings.secretKey),
  };
  const { api_key, record } = await storeNewKey(store, key, null);
  return { api_key, key_id: record.key_id };
}

/** First the trail, then what finds the key, then the key: none that works is missing from the trail or the list. */
export async function storeNewKey(store: KeyStore, key: NewApiKey, by: Actor | null): Promise<CreatedKey> {
  const made = makeApiKey(key.env ?? 'live');
  const record = recordOf(key, made.key_id, store.hasher.hash(made), by);
  await store.audit.append({ key: record, type: 'key.created', by, data: grantOf(record) });
  await store.buckets.create('api-keys', ownedKey(record.tenant_id, record.user_id, record.key_id), '{}');
  await store.buckets.put('api-keys', record.key_id, JSON.stringify(record));
  return { api_key: made.text, record };
}

function recordOf(key: NewApiKey, keyId: string, hmac: string, by: Actor | null): KeyRecord {
  return {
    key_id: keyId,
    tenant_id: assertId('tenant_id', key.tenant_id),
    user_id: assertId('user_id', key.user_id),
    name: key.name.slice(0, 100),
    env: key.env ?? 'live',
    hmac,
    scopes: [...key.scopes],
    workspace_ids: (key.workspace_ids ?? []).map((id) => assertId('workspace_id', id)),
    ...(key.agent_id === undefined ? {} : { agent_id: assertId('agent_id', key.agent_id) }),
    requests_per_min: key.requests_per_min ?? null,
    max_streams: key.max_streams ?? null,
    created_at: new Date().toISOString(),
    ...(by ? { created_by: by.user_id } : {}),
    ...(key.expires_at === undefined ? {} : { expires_at: key.expires_at }),
  };
}

/** What a key may do, as the trail tells it. */
function grantOf({ scopes, workspace_ids, expires_at }: KeyRecord): Record<string, unknown> {
  return { scopes, workspace_ids, expires_at: expires_at ?? null };
}
