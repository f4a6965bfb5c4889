import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeApiKey } from '../src/auth/api-key.ts';
import { Buckets } from '../src/broker/buckets.ts';
import { CONTROLLERS } from '../src/controllers.ts';
import type { NewApiKey } from '../src/keys/index.ts';
import { openApiDocument } from '../src/openapi/document.ts';
import { AGENT, type RunningGateway, sha256, startGateway } from './running-gateway.ts';
import { call } from './calls.ts';

/** What belongs to ann: nobody else may see a byte of it. */
interface World {
  run_id: string;
  key_id: string;
  sha256: string;
  schedule_id: string;
}

interface Row {
  body?: object;
  query?: string;
  /** What the route answers to ann, to whom all of it belongs. */
  owner: number;
  /** Another user of the tenant, the same user elsewhere, ann with a key of another agent. */
  otherUser: number;
  otherTenant: number;
  otherAgent: number;
}

const open = (status: number): Row => ({
  owner: status,
  otherUser: status,
  otherTenant: status,
  otherAgent: status,
});
const aRun = (owner: number, body?: object): Row => ({
  owner,
  otherUser: 403,
  otherTenant: 404,
  otherAgent: 403,
  ...(body ? { body } : {}),
});
const aKey = (owner: number, body?: object): Row => ({
  ...aRun(owner, body),
  otherUser: 404,
  otherAgent: 404,
});
const aStart = (owner: number): Row => ({
  owner,
  otherUser: owner,
  otherTenant: 404,
  otherAgent: 403,
  body: { agent_id: 'ticker' },
});

/** Every operation of the document. One that is added there is added here, or this fails. What changes most comes last. */
const ROWS: Record<string, Row> = {
  'get /healthz': open(200),
  'get /readyz': open(200),
  'get /metrics': open(200),
  'get /openapi.json': open(200),
  'get /docs': open(200),
  'get /me': open(200),
  'get /agents': open(200),
  'get /agents/{agent_id}': { owner: 200, otherUser: 200, otherTenant: 404, otherAgent: 403 },
  'get /runs': open(200),
  'get /approvals': open(200),
  'get /runs/{run_id}': aRun(200),
  'get /runs/{run_id}/events': aRun(200),
  'get /runs/{run_id}/stream': aRun(200),
  'get /stream': { ...aRun(200), query: '?runs={run_id}' },
  'get /runs/{run_id}/blobs/{sha256}': aRun(200),
  'get /runs/{run_id}/trace': aRun(200),
  'get /runs/{run_id}/tree': aRun(200),
  'get /api-keys': open(200),
  'get /audit': open(200),
  'get /schedules': open(200),
  'get /schedules/{schedule_id}': aRun(200),
  'get /session': open(404),
  'post /session': open(201),
  'delete /session': open(404),
  'post /agents/run-code/start': aStart(202),
  'post /agents/run-code/stream': aStart(200),
  'post /agents/{agent_id}/ag-ui': {
    ...aStart(200),
    body: { threadId: 't', runId: 'r', messages: [{ id: 'm', role: 'user', content: 'hello' }] },
  },
  'post /api-keys': {
    ...open(201),
    otherAgent: 403,
    body: { name: 'new', scopes: ['runs:read'], agent_id: 'ticker' },
  },
  'post /schedules': { ...aStart(201), body: { agent_id: 'ticker', cron: '0 0 1 1 *' } },
  'patch /schedules/{schedule_id}': aRun(200, { enabled: false }),
  'delete /schedules/{schedule_id}': aRun(204),
  'post /api-keys/{key_id}/rotate': aKey(200, {}),
  'delete /api-keys/{key_id}': aKey(204),
  'post /runs/{run_id}/nudges': aRun(202, { message: 'go on' }),
  'post /runs/{run_id}/pause': aRun(409, {}),
  'post /runs/{run_id}/resume': aRun(202, {}),
  'post /runs/{run_id}/limits': aRun(202, { max_cost_usd: 9 }),
  'post /runs/{run_id}/approvals/{approval_id}': aRun(404, { decision: 'approve' }),
  'post /runs/{run_id}/outcomes/{call_id}': aRun(404, { choice: 'retry' }),
  'post /runs/{run_id}/stop': aRun(202, {}),
  'delete /runs/{run_id}': aRun(202),
};

const CANARY = 'canary-of-ann';

interface Described {
  paths: Record<string, Record<string, { security?: unknown[]; 'x-scopes'?: string[] }>>;
}
const described = openApiDocument(CONTROLLERS) as unknown as Described;
const operations = Object.entries(described.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    id: `${method} ${path}`,
    isPublic: operation.security !== undefined,
    scopes: operation['x-scopes'] ?? [],
  })),
);

describe('every route, with every credential', () => {
  let gateway: RunningGateway;
  let world: World;
  const keys: Record<string, string> = {};
  const idOf = (key: string): string => key.split('_')[2] ?? '';

  beforeAll(async () => {
    gateway = await startGateway();
    const agent = { ...AGENT, description: `${CANARY} agent` };
    await gateway.connection.js.publish('$KV.agents.acme.ticker', JSON.stringify(agent));
    keys.owner = await gateway.key({ name: `${CANARY} owner` });
    const target = await gateway.key({ name: `${CANARY} key`, agent_id: 'ticker' });
    const started = await call('POST', `${gateway.url}/agents/run-code/start`, {
      key: keys.owner,
      body: { agent_id: 'ticker', input: CANARY.repeat(6_000), labels: { label_of_ann: CANARY } },
    });
    const run_id = String(started.body.run_id);
    expect(started.status).toBe(202);
    const scheduled = await call('POST', `${gateway.url}/schedules`, {
      key: keys.owner,
      body: { agent_id: 'ticker', cron: '0 0 1 1 *', input: CANARY.repeat(2), labels: { mine: CANARY } },
    });
    expect(scheduled.status).toBe(201);
    world = {
      run_id,
      key_id: idOf(target),
      sha256: sha256(JSON.stringify(CANARY.repeat(6_000))),
      schedule_id: String(scheduled.body.schedule_id),
    };
    await makeOtherKeys();
  });
  afterAll(() => gateway.stop());

  async function makeOtherKeys(): Promise<void> {
    const others: Record<string, Partial<NewApiKey>> = {
      expired: { expires_at: new Date(Date.now() - 1_000).toISOString() },
      wrongScope: { scopes: ['webhooks:write'] },
      otherUser: { user_id: 'bob', workspace_ids: [] },
      otherTenant: { tenant_id: 'rival', scopes: ['admin'] },
      otherAgent: { agent_id: 'burst' },
      revoked: {},
    };
    for (const [name, options] of Object.entries(others)) keys[name] = await gateway.key(options);
    keys.unknown = makeApiKey('live').text;
    keys.badChecksum = `${keys.owner?.slice(0, -1)}${keys.owner?.endsWith('0') ? '1' : '0'}`;
    await call('DELETE', `${gateway.url}/api-keys/${idOf(keys.revoked ?? '')}`, { key: keys.owner ?? '' });
  }

  async function answer(id: string, key?: string): Promise<{ status: number; text: string }> {
    const [method = '', path = ''] = id.split(' ');
    const places: Record<string, string> = { ...world, agent_id: 'ticker', call_id: 'c1', approval_id: 'a1' };
    const { body, query = '' } = ROWS[id] ?? {};
    const abort = new AbortController();
    const response = await fetch(
      gateway.url + `${path}${query}`.replace(/\{(\w+)\}/g, (_all, name: string) => places[name] ?? ''),
      {
        method: method.toUpperCase(),
        headers: {
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          ...(body ? { 'content-type': 'application/json' } : {}),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
        signal: abort.signal,
      },
    );
    const { status } = response;
    if (!response.headers.get('content-type')?.startsWith('text/event-stream'))
      return { status, text: await response.text() };
    const text = await firstFrame(response);
    abort.abort();
    return { status, text };
  }

  it('has a row for every operation of the document, and no other', () => {
    expect(Object.keys(ROWS).sort()).toEqual(operations.map(({ id }) => id).sort());
  });

  const refused = ['none', 'badChecksum', 'unknown', 'expired', 'revoked'];
  const cells = operations.flatMap((operation) => refused.map((who) => ({ ...operation, who })));
  it.each(cells)('$id with $who', async ({ id, isPublic, who }) => {
    const { status, text } = await answer(id, who === 'none' ? undefined : keys[who]);
    expect(status).toBe(isPublic ? ROWS[id]?.owner : 401);
    expectNothingOf(text, { agent: true });
  });

  it.each(operations)('$id with a wrong scope', async ({ id, isPublic, scopes }) => {
    const { status, text } = await answer(id, keys.wrongScope);
    const needsNone = isPublic || scopes.length === 0;
    expect(status).toBe(needsNone ? ROWS[id]?.owner : 403);
    expectNothingOf(text, { agent: true });
  });

  const others = operations.flatMap((operation) =>
    (['otherUser', 'otherTenant', 'otherAgent'] as const).map((who) => ({ ...operation, who })),
  );
  it.each(others)('$id as $who', async ({ id, who }) => {
    const { status, text } = await answer(id, keys[who]);
    expect(status).toBe(ROWS[id]?.[who]);
    // The agents of a tenant are for all of its users.
    expectNothingOf(text, { agent: who !== 'otherUser' });
  });

  it('nothing of ann was changed by any of them', async () => {
    const run = await call('GET', `${gateway.url}/runs/${world.run_id}`, { key: keys.owner ?? '' });
    expect(run.body).toMatchObject({ status: 'queued', seq: 1 });
    const stored = await new Buckets(gateway.connection).get('api-keys', world.key_id);
    expect(stored?.revision).toBeGreaterThan(0);
    expect(JSON.parse(stored?.text ?? '')).not.toHaveProperty('revoked_at');
    expect(JSON.parse(stored?.text ?? '')).not.toHaveProperty('rotated_at');
    const schedule = await call('GET', `${gateway.url}/schedules/${world.schedule_id}`, {
      key: keys.owner ?? '',
    });
    expect(schedule.body).toMatchObject({ enabled: true });
    expect(schedule.body.updated_at).toBe(schedule.body.created_at);
  });

  it.each(Object.keys(ROWS))('%s is answered to ann herself', async (id) => {
    expect((await answer(id, keys.owner)).status).toBe(ROWS[id]?.owner);
  });

  function expectNothingOf(text: string, { agent }: { agent: boolean }): void {
    // A refusal repeats the address that was asked, and an id that it was given.
    const body = text
      .replace(/"instance":"[^"]*"/, '')
      .replace(/There is no (run|schedule) [0-9A-Z]{26}/, '');
    for (const secret of [
      world.run_id,
      world.key_id,
      world.sha256,
      world.schedule_id,
      `${CANARY}${CANARY}`,
      `${CANARY} key`,
    ])
      expect(body).not.toContain(secret);
    expect(body).not.toContain(`"label_of_ann"`);
    if (agent) expect(body).not.toContain(`${CANARY} agent`);
  }
});

async function firstFrame(response: Response): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (/^data: .*\n\n/m.test(text)) break;
  }
  return text;
}
