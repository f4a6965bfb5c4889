import type { Broker } from '@runledger/nest-jetstream';
import { assertId } from '@runledger/wire';
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
  /** Makes a key that may start this one agent. */
  agent_id?: string;
  /** RFC 3339; absent: the key does not expire. */
  expires_at?: string;
  /** Lower-case letters after `rl_`; default `live`. */
  env?: string;
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
  const made = makeApiKey(key.env ?? 'live');
  const record: KeyRecord = {
    key_id: made.key_id,
    tenant_id: assertId('tenant_id', key.tenant_id),
    user_id: assertId('user_id', key.user_id),
    name: key.name.slice(0, 100),
    hmac: new KeyHasher(settings.secretKey).hash(made),
    scopes: [...key.scopes],
    workspace_ids: (key.workspace_ids ?? []).map((id) => assertId('workspace_id', id)),
    ...(key.agent_id === undefined ? {} : { agent_id: assertId('agent_id', key.agent_id) }),
    created_at: new Date().toISOString(),
    ...(key.expires_at === undefined ? {} : { expires_at: key.expires_at }),
  };
  await new Buckets(broker).put('api-keys', made.key_id, JSON.stringify(record));
  return { api_key: made.text, key_id: made.key_id };
}
