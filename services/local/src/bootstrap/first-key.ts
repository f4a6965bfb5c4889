import { Kvm } from '@nats-io/kv';
import { createApiKey, SCOPES } from '@runledger/gateway/keys';
import type { Broker } from '@runledger/nest-jetstream';

interface Tenant {
  tenant_id: string;
  name: string;
  users: { user_id: string }[];
}

/** Makes the tenant and its user where they are missing, and a new API key with every scope. Gives the key. */
export async function makeFirstKey(
  broker: Broker,
  secretKey: Buffer,
  { tenant, user }: { tenant: string; user: string },
): Promise<string> {
  const tenants = await new Kvm(broker.js).open('tenants');
  const entry = await tenants.get(tenant);
  const there = entry?.operation === 'PUT' ? entry.json<Tenant>() : undefined;
  const { users = [], ...rest } = there ?? { tenant_id: tenant, name: tenant };
  if (!users.some(({ user_id }) => user_id === user)) {
    const changed = JSON.stringify({ ...rest, users: [...users, { user_id: user }] });
    await tenants.put(tenant, changed, { previousSeq: entry?.revision ?? 0 });
  }
  const { api_key } = await createApiKey(
    broker,
    { secretKey },
    { tenant_id: tenant, user_id: user, name: 'made by the bootstrap', scopes: SCOPES },
  );
  return api_key;
}
