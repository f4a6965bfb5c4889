import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kvm } from '@nats-io/kv';
import { SAMPLE_AGENTS } from '@runledger/agent-executor/samples';
import { createApiKey, SCOPES } from '@runledger/gateway/keys';
import type { Broker } from '@runledger/nest-jetstream';
import { agentKey } from '@runledger/wire';

const TENANT = 'local';
const USER = 'dev';

/** What the CLI reads from the data folder. */
export interface DevKey {
  url: string;
  api_key: string;
}

/** Tenant, user and sample agents of the local default. Repeating it changes only what differs. */
export async function seedSamples(broker: Broker): Promise<void> {
  const buckets = new Kvm(broker.js);
  const tenants = await buckets.open('tenants');
  if (!(await tenants.get(TENANT)))
    await tenants.put(
      TENANT,
      JSON.stringify({ tenant_id: TENANT, name: 'Local', users: [{ user_id: USER }] }),
    );
  const agents = await buckets.open('agents');
  for (const agent of SAMPLE_AGENTS) {
    const key = agentKey(TENANT, agent.agent_id);
    const text = JSON.stringify(agent);
    const stored = await agents.get(key);
    if (!stored || stored.operation !== 'PUT' || stored.string() !== text) await agents.put(key, text);
  }
}

/**
 * The local key: the one of the data folder when the broker knows it, otherwise a new one. `made` is true when it is to
 * be shown.
 */
export async function localKey(
  broker: Broker,
  settings: { home: string; secretKey: Buffer },
  url: string,
): Promise<{ key: DevKey; made: boolean }> {
  const kept = await readDevKey(settings.home);
  const known =
    kept && (await new Kvm(broker.js).open('api-keys').then((keys) => keys.get(keyIdOf(kept.api_key))));
  if (kept && known?.operation === 'PUT') {
    if (kept.url !== url) await writeDevKey(settings.home, { ...kept, url });
    return { key: { ...kept, url }, made: false };
  }
  const { api_key } = await createApiKey(broker, settings, {
    tenant_id: TENANT,
    user_id: USER,
    name: 'made by npm start',
    scopes: SCOPES,
    env: 'local',
  });
  const key = { url, api_key };
  await writeDevKey(settings.home, key);
  return { key, made: true };
}

const keyIdOf = (apiKey: string): string => apiKey.split('_')[2] ?? 'none';

async function readDevKey(home: string): Promise<DevKey | undefined> {
  try {
    const key = JSON.parse(await readFile(join(home, 'dev-key'), 'utf8')) as Partial<DevKey>;
    return typeof key.api_key === 'string' && typeof key.url === 'string'
      ? { url: key.url, api_key: key.api_key }
      : undefined;
  } catch {
    return undefined;
  }
}

async function writeDevKey(home: string, key: DevKey): Promise<void> {
  await mkdir(home, { recursive: true });
  const temporary = join(home, `dev-key.${randomBytes(4).toString('hex')}`);
  await writeFile(temporary, JSON.stringify(key, null, 2) + '\n', { mode: 0o600 });
  await rename(temporary, join(home, 'dev-key'));
}
