import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeApiKey } from '../src/auth/api-key.ts';
import { Buckets } from '../src/broker/buckets.ts';
import type { NewApiKey } from '../src/keys/index.ts';
import { call } from './calls.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';

const ULID = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const START = '/agents/run-code/start';

describe('who may do what', () => {
  let gateway: RunningGateway;
  let ann: string;
  beforeAll(async () => {
    gateway = await startGateway();
    ann = await gateway.key();
  });
  afterAll(() => gateway.stop());

  const start = async (key: string, body: object = {}): Promise<string> => {
    const answer = await call('POST', gateway.url + START, { key, body: { agent_id: 'ticker', ...body } });
    expect(answer.status).toBe(202);
    return String(answer.body.run_id);
  };

  describe('a credential', () => {
    it.each([
      ['none', {}],
      ['another scheme', { authorization: 'Basic YWJj' }],
      ['no key at all', { authorization: 'Bearer hello' }],
      ['an empty X-API-Key', { 'x-api-key': '' }],
      ['a well-formed key that nobody made', { authorization: `Bearer ${makeApiKey('live').text}` }],
    ])('%s is 401', async (_what, headers) => {
      const answer = await call('GET', `${gateway.url}/me`, { headers: headers });
      expect(answer).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    });

    it('works as Bearer and as X-API-Key, and says who it is', async () => {
      const me = { tenant_id: 'acme', user_id: 'ann', workspace_ids: ['lab'], agent_id: null };
      expect(await call('GET', `${gateway.url}/me`, { key: ann })).toMatchObject({ status: 200, body: me });
      expect(await call('GET', `${gateway.url}/me`, { headers: { 'x-api-key': ann } })).toMatchObject({
        status: 200,
        body: me,
      });
    });

    it('given twice is 401', async () => {
      expect(
        await call('GET', `${gateway.url}/me`, { key: ann, headers: { 'x-api-key': ann } }),
      ).toMatchObject({ status: 401 });
    });

    it('with one character changed is 401, wherever it is', async () => {
      for (const at of [3, 10, 30, ann.length - 1]) {
        const changed = ann.slice(0, at) + (ann[at] === 'a' ? 'b' : 'a') + ann.slice(at + 1);
        expect((await call('GET', `${gateway.url}/me`, { key: changed })).status).toBe(401);
      }
    });

    it('that has expired or is revoked is 401', async () => {
      const expired = await gateway.key({ expires_at: new Date(Date.now() - 1000).toISOString() });
      expect((await call('GET', `${gateway.url}/me`, { key: expired })).status).toBe(401);
      const revoked = await gateway.key();
      const keyId = revoked.split('_')[2] ?? '';
      const buckets = new Buckets(gateway.connection);
      const record = JSON.parse((await buckets.get('api-keys', keyId))?.text ?? '') as object;
      await buckets.put(
        'api-keys',
        keyId,
        JSON.stringify({ ...record, revoked_at: new Date().toISOString() }),
      );
      expect((await call('GET', `${gateway.url}/me`, { key: revoked })).status).toBe(401);
    });

    it('is stored as an HMAC only', async () => {
      const keyId = ann.split('_')[2] ?? '';
      const stored = await (
        await gateway.connection.jsm()
      ).streams.getMessage('KV_api-keys', { last_by_subj: `$KV.api-keys.${keyId}` });
      const text = stored?.string() ?? '';
      expect(JSON.parse(text)).toMatchObject({ key_id: keyId, tenant_id: 'acme', user_id: 'ann' });
      expect(text).not.toContain(ann.split('_')[3]);
    });
  });

  describe('a scope', () => {
    const routes: [string, string, string, object | undefined][] = [
      ['POST', START, 'runs:start', { agent_id: 'ticker' }],
      ['POST', '/agents/run-code/stream', 'runs:start', { agent_id: 'ticker' }],
      ['GET', '/runs', 'runs:read', undefined],
      ['GET', `/runs/${ULID}`, 'runs:read', undefined],
      ['GET', `/runs/${ULID}/events`, 'runs:read', undefined],
      ['GET', `/runs/${ULID}/stream`, 'runs:read', undefined],
      ['GET', `/runs/${ULID}/blobs/${'0'.repeat(64)}`, 'runs:read', undefined],
      ['POST', `/runs/${ULID}/stop`, 'runs:control', {}],
      ['GET', '/agents', 'runs:read', undefined],
    ];
    it.each(routes)('%s %s needs %s', async (method, path, _scope, body) => {
      const without = await gateway.key({ scopes: ['webhooks:write'] });
      const call1 = await call(method, gateway.url + path, { key: without, ...(body ? { body } : {}) });
      expect(call1).toMatchObject({ status: 403, body: { code: 'forbidden' } });
      const admin = await gateway.key({ scopes: ['admin'], tenant_id: 'empty' });
      const allowed = await call(method, gateway.url + path, { key: admin, ...(body ? { body } : {}) });
      expect([200, 404]).toContain(allowed.status);
    });

    it('every route of the document is 401 without a credential, unless it is public', async () => {
      const document = (await call('GET', `${gateway.url}/openapi.json`)).body as {
        paths: Record<string, Record<string, { security?: unknown[] }>>;
      };
      const asked: string[] = [];
      for (const [path, methods] of Object.entries(document.paths))
        for (const [method, operation] of Object.entries(methods)) {
          const url =
            gateway.url +
            path
              .replace('{run_id}', ULID)
              .replace('{agent_id}', 'ticker')
              .replace('{sha256}', '0'.repeat(64));
          const answer = await call(method.toUpperCase(), url, method === 'post' ? { body: {} } : {});
          asked.push(path);
          expect([path, answer.status === 401]).toEqual([path, operation.security === undefined]);
        }
      expect(asked.length).toBeGreaterThan(10);
    });
  });

  describe('another', () => {
    const readers: [string, Partial<NewApiKey>, number, number][] = [
      ['user of the same tenant', { user_id: 'bob', workspace_ids: [] }, 403, 403],
      ['user in another workspace', { user_id: 'bob', workspace_ids: ['office'] }, 403, 403],
      ['user who shares the workspace', { user_id: 'bob', workspace_ids: ['lab'] }, 200, 403],
      [
        'user with runs:read:all',
        { user_id: 'bob', workspace_ids: [], scopes: ['runs:read:all', 'runs:read', 'runs:control'] },
        200,
        403,
      ],
      ['user who is admin', { user_id: 'bob', workspace_ids: [], scopes: ['admin'] }, 200, 202],
      ['tenant', { tenant_id: 'rival', user_id: 'ann' }, 404, 404],
      [
        'tenant with every scope',
        { tenant_id: 'rival', user_id: 'ann', scopes: ['admin', 'runs:read:all'] },
        404,
        404,
      ],
    ];
    it.each(readers)('%s', async (_who, options, readStatus, stopStatus) => {
      const runId = await start(ann, { workspace_id: 'lab', input: 'a secret of ann' });
      const key = await gateway.key(options);
      for (const path of ['', '/events', '?at=1']) {
        const answer = await call('GET', `${gateway.url}/runs/${runId}${path}`, { key });
        expect([path, answer.status]).toEqual([path, readStatus]);
        if (readStatus !== 200) expect(answer.text).not.toContain('secret of ann');
      }
      if (readStatus !== 200)
        expect((await call('GET', `${gateway.url}/runs/${runId}/stream`, { key })).status).toBe(readStatus);
      expect((await call('POST', `${gateway.url}/runs/${runId}/stop`, { key, body: {} })).status).toBe(
        stopStatus,
      );
      const own = await call('GET', `${gateway.url}/runs`, { key });
      expect(own.text).not.toContain(runId);
    });

    it('a run without a workspace is its own user’s only', async () => {
      const runId = await start(ann);
      const bob = await gateway.key({ user_id: 'bob', workspace_ids: ['lab'] });
      expect((await call('GET', `${gateway.url}/runs/${runId}`, { key: bob })).status).toBe(403);
    });

    it('tenant’s agent does not exist', async () => {
      const rival = await gateway.key({ tenant_id: 'rival' });
      expect((await call('GET', `${gateway.url}/agents/ticker`, { key: rival })).status).toBe(404);
      expect((await call('GET', `${gateway.url}/agents`, { key: rival })).body).toEqual({ agents: [] });
      const answer = await call('POST', gateway.url + START, { key: rival, body: { agent_id: 'ticker' } });
      expect(answer).toMatchObject({ status: 404, body: { code: 'agent_not_found' } });
    });
  });

  it('a key of one agent starts that agent and no other', async () => {
    const key = await gateway.key({ agent_id: 'ticker' });
    await start(key);
    const other = await call('POST', gateway.url + START, { key, body: { agent_id: 'burst' } });
    expect(other).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    const agent = { agent_id: 'mine', name: 'Mine', description: '', kind: 'builtin', builtin: 'ticker' };
    expect((await call('POST', gateway.url + START, { key, body: { agent } })).status).toBe(403);
  });

  it('lists agents with their definition, without the values of their environment', async () => {
    const list = await call('GET', `${gateway.url}/agents`, { key: ann });
    expect(list.body).toMatchObject({ agents: [{ agent_id: 'ticker', kind: 'builtin', revision: 1 }] });
    await gateway.connection.js.publish(
      '$KV.agents.vault.holder',
      JSON.stringify({
        agent_id: 'holder',
        name: 'Holder',
        description: '',
        kind: 'builtin',
        builtin: 'ticker',
        env_vars: [{ key: 'TOKEN', value: 'canary-value' }],
      }),
    );
    const answer = await call('GET', `${gateway.url}/agents/holder`, {
      key: await gateway.key({ tenant_id: 'vault' }),
    });
    expect(answer).toMatchObject({ status: 200, body: { env_vars: [{ key: 'TOKEN' }] } });
    expect(answer.text).not.toContain('canary-value');
  });
});
