import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { waitFor } from '@runledger/testkit';
import { RefusedUses } from '../src/audit/refused-uses.ts';
import { makeApiKey } from '../src/auth/api-key.ts';
import { type Answer, call, type Call, faults } from './calls.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';

const WAIT = { describe: 'the key', timeoutMs: 15_000 };
const idOf = (key: string): string => key.split('_')[2] ?? '';
const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();

describe('API keys', () => {
  let gateway: RunningGateway;
  let app: NestFastifyApplication | undefined;
  let ann: string;
  let admin: string;
  beforeAll(async () => {
    gateway = await startGateway({ beforeInit: (made) => (app = made) });
    ann = await gateway.key();
    admin = await gateway.key({ user_id: 'root', scopes: ['admin'] });
  });
  afterAll(() => gateway.stop());

  const ask = (method: string, path: string, options: Call = {}): Promise<Answer> =>
    call(method, gateway.url + path, { key: ann, ...options });
  const make = async (body: object = {}, key = ann): Promise<{ api_key: string; key_id: string }> => {
    const answer = await ask('POST', '/api-keys', {
      key,
      body: { name: 'ci', scopes: ['runs:read'], ...body },
    });
    expect(answer.status).toBe(201);
    return answer.body as { api_key: string; key_id: string };
  };
  const worksAs = async (key: string): Promise<number> => (await ask('GET', '/me', { key })).status;
  const events = async (key: string, keyId: string): Promise<Record<string, unknown>[]> =>
    ((await ask('GET', '/audit?limit=1000', { key })).body.events as Record<string, unknown>[]).filter(
      (event) => event.key_id === keyId,
    );

  it('are made, shown once, listed without their secret, and work', async () => {
    const made = await make({
      name: 'build server',
      scopes: ['runs:start', 'runs:read'],
      workspace_ids: ['lab'],
    });
    expect(made).toMatchObject({
      name: 'build server',
      prefix: `rl_live_${made.key_id}`,
      status: 'active',
      user_id: 'ann',
      created_by: 'ann',
      requests_per_min: 600,
      max_streams: 200,
      expires_at: null,
      last_used_at: null,
    });
    expect(made.api_key).toMatch(/^rl_live_[0-9A-Za-z]{16}_[0-9A-Za-z]{43}_[0-9a-f]{8}$/);
    expect((await ask('GET', '/me', { key: made.api_key })).body).toMatchObject({
      user_id: 'ann',
      scopes: ['runs:read', 'runs:start'],
      workspace_ids: ['lab'],
    });
    const list = await ask('GET', '/api-keys');
    expect(list.body.keys).toContainEqual(
      expect.objectContaining({ key_id: made.key_id, name: 'build server' }),
    );
    expect(list.text).not.toContain(made.api_key.split('_')[3]);
    expect(list.text).not.toContain('hmac');
    const stored = await gateway.connection.js
      .jetstreamManager()
      .then((jsm) => jsm.streams.getMessage('KV_api-keys', { last_by_subj: `$KV.api-keys.${made.key_id}` }));
    expect(stored?.string()).not.toContain(made.api_key.split('_')[3]);
  });

  it('say when they were last used, written at most once a minute', async () => {
    const made = await make();
    for (let use = 0; use < 5; use += 1) expect(await worksAs(made.api_key)).toBe(200);
    const jsm = await gateway.connection.jsm();
    const revisions = (): Promise<number> =>
      jsm.streams
        .info('KV_api-keys', { subjects_filter: '$KV.api-keys.>' })
        .then(({ state }) => state.last_seq);
    const used = await waitFor(async () => {
      const list = await ask('GET', '/api-keys?limit=100');
      const key = (list.body.keys as { key_id: string; last_used_at: string | null }[]).find(
        (one) => one.key_id === made.key_id,
      );
      return key?.last_used_at;
    }, WAIT);
    expect(Date.now() - Date.parse(used)).toBeLessThan(30_000);
    // Ann's own first use is written by now too: nothing is left to write for either.
    await waitFor(async () => {
      const before = await revisions();
      for (let use = 0; use < 5; use += 1) await worksAs(made.api_key);
      return (await revisions()) === before;
    }, WAIT);
  });

  it('never grant more than their maker has', async () => {
    const soon = inMs(3_600_000);
    const limits = { requests_per_min: 60, max_streams: 2 };
    const weak = await make({ scopes: ['keys:write', 'runs:read'], expires_at: soon, ...limits });
    const tooMuch: [object, string][] = [
      [{ scopes: ['runs:read', 'runs:start'] }, 'body /scopes'],
      [{ scopes: ['admin'] }, 'body /scopes'],
      [{ workspace_ids: ['lab'] }, 'body /workspace_ids'],
      [{ expires_at: inMs(7_200_000) }, 'body /expires_at'],
      [{ requests_per_min: 61 }, 'body /requests_per_min'],
      [{ requests_per_min: null }, 'body /requests_per_min'],
      [{ max_streams: 3 }, 'body /max_streams'],
      [{ user_id: 'bob' }, 'body /user_id'],
    ];
    for (const [more, at] of tooMuch) {
      const body = { name: 'more', scopes: ['runs:read'], ...more };
      const answer = await ask('POST', '/api-keys', { key: weak.api_key, body });
      expect([more, answer.status, faults(answer)]).toEqual([more, 403, [at]]);
    }
    const child = await make({}, weak.api_key);
    expect(child).toMatchObject({
      expires_at: soon,
      requests_per_min: 60,
      max_streams: 2,
      workspace_ids: [],
    });
  });

  it('get no new secret from a key that could not have made them', async () => {
    const strong = await make({ scopes: ['runs:start', 'runs:control'] });
    const weak = await make({ scopes: ['keys:write'] });
    const answer = await ask('POST', `/api-keys/${strong.key_id}/rotate`, { key: weak.api_key, body: {} });
    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(answer.text).not.toContain('rl_live');
    expect(await worksAs(strong.api_key)).toBe(200);
  });

  it('of one agent make keys of that agent only, and know of no others', async () => {
    const other = await make({ agent_id: 'burst' });
    const mine = await make({ scopes: ['keys:write', 'runs:read'], agent_id: 'ticker' });
    const child = await make({}, mine.api_key);
    expect(child).toMatchObject({ agent_id: 'ticker' });
    const body = { name: 'x', scopes: ['runs:read'], agent_id: 'burst' };
    expect((await ask('POST', '/api-keys', { key: mine.api_key, body })).status).toBe(403);
    const list = (await ask('GET', '/api-keys', { key: mine.api_key })).body.keys as { key_id: string }[];
    expect(list.map((key) => key.key_id)).toEqual([mine.key_id, child.key_id]);
    expect((await ask('DELETE', `/api-keys/${other.key_id}`, { key: mine.api_key })).status).toBe(404);
    expect((await ask('GET', '/audit', { key: mine.api_key })).text).not.toContain(other.key_id);
  });

  it('rotate: both secrets work until the grace is over', async () => {
    const made = await make();
    const grace = await ask('POST', `/api-keys/${made.key_id}/rotate`, { body: { grace_s: 3 } });
    expect(grace).toMatchObject({ status: 200, body: { key_id: made.key_id } });
    const next = String(grace.body.api_key);
    expect(idOf(next)).toBe(made.key_id);
    expect(next).not.toBe(made.api_key);
    expect([await worksAs(made.api_key), await worksAs(next)]).toEqual([200, 200]);
    const until = Date.parse(String(grace.body.previous_secret_until));
    await waitFor(async () => (await worksAs(made.api_key)) === 401, WAIT);
    expect(Date.now()).toBeGreaterThanOrEqual(until);
    expect(await worksAs(next)).toBe(200);
  });

  it('rotate: a day by default, at once when asked, at most seven days', async () => {
    const made = await make();
    const day = await ask('POST', `/api-keys/${made.key_id}/rotate`);
    const until = Date.parse(String(day.body.previous_secret_until));
    expect(Math.abs(until - Date.now() - 86_400_000)).toBeLessThan(60_000);
    const again = await ask('POST', `/api-keys/${made.key_id}/rotate`, { body: { grace_s: 0 } });
    expect(again).toMatchObject({ status: 409, body: { code: 'key_rotating' } });
    const newest = await ask('POST', `/api-keys/${made.key_id}/rotate`, { body: { discard: 'current' } });
    expect([await worksAs(made.api_key), await worksAs(String(day.body.api_key))]).toEqual([200, 401]);
    expect(await worksAs(String(newest.body.api_key))).toBe(200);
    const now = await ask('POST', `/api-keys/${made.key_id}/rotate`, {
      body: { discard: 'previous', grace_s: 0 },
    });
    expect(now.body.previous_secret_until).toBeNull();
    expect([await worksAs(made.api_key), await worksAs(String(newest.body.api_key))]).toEqual([401, 401]);
    expect(await worksAs(String(now.body.api_key))).toBe(200);
    for (const grace_s of [-1, 604_801, 1.5, '1'])
      expect(await ask('POST', `/api-keys/${made.key_id}/rotate`, { body: { grace_s } })).toMatchObject({
        status: 400,
        body: { errors: [{ pointer: '/grace_s' }] },
      });
  });

  it('that are revoked work no more, are listed as such, and get no new secret', async () => {
    const made = await make();
    expect(await worksAs(made.api_key)).toBe(200);
    for (let time = 0; time < 2; time += 1)
      expect((await ask('DELETE', `/api-keys/${made.key_id}`)).status).toBe(204);
    expect(await worksAs(made.api_key)).toBe(401);
    const list = await ask('GET', '/api-keys?limit=100');
    expect(list.body.keys).toContainEqual(
      expect.objectContaining({ key_id: made.key_id, status: 'revoked' }),
    );
    expect(await ask('POST', `/api-keys/${made.key_id}/rotate`)).toMatchObject({
      status: 409,
      body: { code: 'key_ended' },
    });
  });

  it('of others do not exist; admin sees those of the tenant', async () => {
    const bob = await gateway.key({ user_id: 'bob' });
    const rival = await gateway.key({ tenant_id: 'rival', scopes: ['admin'] });
    for (const foreign of [bob, rival]) {
      expect(await ask('POST', `/api-keys/${idOf(foreign)}/rotate`)).toMatchObject({ status: 404 });
      expect(await ask('DELETE', `/api-keys/${idOf(foreign)}`)).toMatchObject({ status: 404 });
      expect((await ask('GET', '/api-keys')).text).not.toContain(idOf(foreign));
      expect(await worksAs(foreign)).toBe(200);
    }
    expect((await ask('GET', '/api-keys?user_id=bob')).status).toBe(403);
    expect((await ask('GET', '/audit?user_id=bob')).status).toBe(403);
    const all = await ask('GET', '/api-keys?limit=100', { key: admin });
    expect(all.text).toContain(idOf(bob));
    expect(all.text).not.toContain(idOf(rival));
    const bobs = (await ask('GET', '/api-keys?user_id=bob', { key: admin })).body.keys as {
      user_id: string;
    }[];
    expect(new Set(bobs.map((key) => key.user_id))).toEqual(new Set(['bob']));
    expect(await make({ user_id: 'bob' }, admin)).toMatchObject({ user_id: 'bob', created_by: 'root' });
    expect((await ask('DELETE', `/api-keys/${idOf(bob)}`, { key: admin })).status).toBe(204);
    expect((await ask('DELETE', `/api-keys/${idOf(rival)}`, { key: admin })).status).toBe(404);
  });

  it('are listed page by page, each once', async () => {
    const carl = await gateway.key({ user_id: 'carl' });
    const made = [idOf(carl)];
    for (let at = 0; at < 4; at += 1) made.push((await make({}, carl)).key_id);
    const seen: string[] = [];
    for (let cursor: string | null = '0'; cursor !== null;) {
      const page = await ask('GET', `/api-keys?limit=2&cursor=${cursor}`, { key: carl });
      seen.push(...(page.body.keys as { key_id: string }[]).map((key) => key.key_id));
      cursor = page.body.next_cursor as string | null;
    }
    expect(seen).toEqual(made);
  });

  it('leave a trail: made, rotated, revoked, and refused in aggregate', async () => {
    const made = await make({ name: 'trailed', expires_at: inMs(3_600_000) });
    const by = { user_id: 'ann', key_id: idOf(ann), credential: 'key' };
    await ask('POST', `/api-keys/${made.key_id}/rotate`, { body: { grace_s: 60 } });
    await ask('POST', '/agents/run-code/start', { key: made.api_key, body: { agent_id: 'ticker' } });
    const forged = makeApiKey('live', made.key_id).text;
    for (let time = 0; time < 3; time += 1) expect(await worksAs(forged)).toBe(401);
    await ask('DELETE', `/api-keys/${made.key_id}`);
    expect(await worksAs(made.api_key)).toBe(401);
    await app?.get(RefusedUses).flush();
    const trail = await events(ann, made.key_id);
    expect(trail.map(({ type }) => type)).toEqual([
      'key.created',
      'key.rotated',
      'key.revoked',
      'key.refused',
    ]);
    expect(trail.slice(0, 3).map((event) => event.by)).toEqual([by, by, by]);
    expect(trail[0]).toMatchObject({ name: 'trailed', user_id: 'ann', data: { scopes: ['runs:read'] } });
    expect(trail[3]).toMatchObject({ by: null, data: { counts: { scope: 1, wrong_secret: 4 } } });
    expect(JSON.stringify(trail)).not.toContain(made.api_key.split('_')[3]);
    const jsm = await gateway.connection.jsm();
    await expect(jsm.streams.purge('AUDIT')).rejects.toThrow();
    await expect(jsm.streams.deleteMessage('AUDIT', 1)).rejects.toThrow();
  });

  it('page through the trail from where one was, and see nothing of others', async () => {
    const first = await ask('GET', '/audit?limit=2', { key: admin });
    expect(first.body).toMatchObject({ has_more: true });
    const rest = await ask('GET', `/audit?limit=1000&after=${String(first.body.next_after)}`, { key: admin });
    const whole = await ask('GET', '/audit?limit=1000', { key: admin });
    expect([first, rest].flatMap((page) => page.body.events)).toEqual(whole.body.events);
    const last = String(rest.body.next_after);
    expect((await ask('GET', `/audit?after=${last}`, { key: admin })).body).toEqual({
      events: [],
      next_after: Number(last),
      has_more: false,
    });
    const nobody = await gateway.key({ tenant_id: 'empty', scopes: ['admin'] });
    const own = (await ask('GET', '/audit', { key: nobody })).body.events as { key_id: string }[];
    expect(own.map((event) => event.key_id)).toEqual([idOf(nobody)]);
  });

  it.each([
    ['no name', { scopes: ['runs:read'] }, ['body /name']],
    ['no scopes', { name: 'x', scopes: [] }, ['body /scopes']],
    ['a scope that does not exist', { name: 'x', scopes: ['runs:fly'] }, ['body /scopes/0']],
    ['a scope twice', { name: 'x', scopes: ['runs:read', 'runs:read'] }, ['body /scopes']],
    ['an end in the past', { name: 'x', scopes: ['runs:read'], expires_at: inMs(-1) }, ['body /expires_at']],
    [
      'an end that is no time',
      { name: 'x', scopes: ['runs:read'], expires_at: 'soon' },
      ['body /expires_at'],
    ],
    ['a tenant', { name: 'x', scopes: ['runs:read'], tenant_id: 'rival' }, ['body /tenant_id']],
    ['an HMAC', { name: 'x', scopes: ['runs:read'], hmac: '0' }, ['body /hmac']],
    ['an agent id with a dot', { name: 'x', scopes: ['runs:read'], agent_id: 'a.b' }, ['body /agent_id']],
    ['a user id with a star', { name: 'x', scopes: ['runs:read'], user_id: '*' }, ['body /user_id']],
    ['a line break in the name', { name: 'x\ny', scopes: ['runs:read'] }, ['body /name']],
    [
      'no requests at all',
      { name: 'x', scopes: ['runs:read'], requests_per_min: 0 },
      ['body /requests_per_min'],
    ],
  ])('refuse %s by name', async (_what, body, at) => {
    const answer = await ask('POST', '/api-keys', { body });
    expect({ status: answer.status, at: faults(answer) }).toEqual({ status: 400, at });
  });
});
