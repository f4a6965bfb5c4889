import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Buckets } from '../src/broker/buckets.ts';
import { sessionTokenIn, setCookie } from '../src/sessions/session-cookie.ts';
import { type Answer, call, type Call } from './calls.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';
import { SseClient } from './sse-client.ts';

interface Session {
  cookie: string;
  csrf: string;
  set: string;
}

describe('sessions of browsers', () => {
  let gateway: RunningGateway;
  let key: string;
  beforeAll(async () => {
    gateway = await startGateway();
    key = await gateway.key();
  });
  afterAll(() => gateway.stop());

  const ask = (method: string, path: string, options: Call = {}): Promise<Answer> =>
    call(method, gateway.url + path, options);
  const signIn = async (credential = key): Promise<Session> => {
    const answer = await ask('POST', '/session', { key: credential });
    expect(answer.status).toBe(201);
    const set = answer.headers.get('set-cookie') ?? '';
    return { cookie: set.split(';')[0] ?? '', csrf: String(answer.body.csrf_token), set };
  };
  const idIn = (session: Session): string => session.cookie.split('_')[2] ?? '';
  const start = (headers: Record<string, string>): Promise<Answer> =>
    ask('POST', '/agents/run-code/start', { headers, body: { agent_id: 'ticker' } });

  it('begin with a key, in a cookie that no script can read', async () => {
    const { cookie, set, csrf } = await signIn();
    expect(set).toMatch(/^runledger_session=rs_\w+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/);
    const me = await ask('GET', '/me', { headers: { cookie } });
    expect(me).toMatchObject({ status: 200, body: { tenant_id: 'acme', user_id: 'ann' } });
    const again = await ask('GET', '/session', { headers: { cookie: `other=1; ${cookie}; more=2` } });
    expect(again).toMatchObject({ status: 200, body: { csrf_token: csrf, user_id: 'ann' } });
    const stored = await new Buckets(gateway.connection).get('sessions', cookie.split('_')[2] ?? '');
    expect(stored?.text).toContain('"hmac"');
    expect(stored?.text).not.toContain(cookie.split('_')[3]);
    expect(stored?.text).not.toContain(csrf);
  });

  it('are for this host only and need TLS, unless the host is this machine', () => {
    for (const host of ['localhost:8080', '127.0.0.1', '[::1]:8080', 'app.localhost'])
      expect(setCookie(host, 't')).not.toContain('Secure');
    for (const host of ['runs.example', 'localhost.example', '127.0.0.1.example', undefined]) {
      expect(setCookie(host, 't')).toMatch(/^__Host-runledger_session=t; .*; Secure$/);
      expect(sessionTokenIn('runledger_session=planted', host)).toBeUndefined();
    }
  });

  it('change things only with their token, from their own page', async () => {
    const { cookie, csrf } = await signIn();
    const token = { cookie, 'x-csrf-token': csrf };
    const other = await signIn();
    const host = new URL(gateway.url).host;
    const refused: Record<string, string>[] = [
      { cookie },
      { cookie, 'x-csrf-token': '' },
      { cookie, 'x-csrf-token': other.csrf },
      { ...token, origin: 'https://elsewhere.example' },
      { ...token, origin: 'null' },
      { ...token, origin: `http://${host}.elsewhere.example` },
      { ...token, 'sec-fetch-site': 'cross-site' },
      { ...token, 'sec-fetch-site': 'same-site' },
    ];
    const before = await gateway.stored();
    for (const headers of refused)
      expect(await start(headers)).toMatchObject({ status: 403, body: { code: 'csrf_refused' } });
    expect(await gateway.stored()).toBe(before);
    expect(
      (await start({ ...token, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' })).status,
    ).toBe(202);
    expect((await start(token)).status).toBe(202);
    const read = { cookie, 'sec-fetch-site': 'cross-site' };
    expect((await ask('GET', '/runs', { headers: read })).status).toBe(403);
    // Whoever sends a key is no browser that was tricked.
    const withKey = { authorization: `Bearer ${key}`, cookie, origin: 'https://elsewhere.example' };
    expect((await start(withKey)).status).toBe(202);
  });

  it('follow a run with EventSource, which can send nothing but the cookie', async () => {
    const { cookie, csrf } = await signIn();
    const { body } = await start({ cookie, 'x-csrf-token': csrf });
    const reader = await SseClient.open(`${gateway.url}/runs/${String(body.run_id)}/stream`, { cookie });
    await reader.until((it) => it.ids.includes(1));
    expect(reader.lines[0]).toContain('"channel":"console"');
    await ask('DELETE', '/session', { headers: { cookie, 'x-csrf-token': csrf } });
    await reader.until((it) => it.ended === 'end');
  });

  it('end when asked to, with the cookie', async () => {
    const { cookie, csrf } = await signIn();
    expect((await ask('DELETE', '/session', { headers: { cookie } })).status).toBe(403);
    const ended = await ask('DELETE', '/session', { headers: { cookie, 'x-csrf-token': csrf } });
    expect(ended.status).toBe(204);
    expect(ended.headers.get('set-cookie')).toMatch(/^runledger_session=; Max-Age=0; /);
    expect((await ask('GET', '/me', { headers: { cookie } })).status).toBe(401);
    expect(await ask('GET', '/session', { key })).toMatchObject({
      status: 404,
      body: { code: 'session_not_found' },
    });
  });

  it('end with the secret that opened them, and do not open others', async () => {
    const own = await gateway.key();
    const session = await signIn(own);
    const headers = { cookie: session.cookie, 'x-csrf-token': session.csrf };
    expect((await ask('POST', '/session', { headers })).status).toBe(401);
    const keyId = own.split('_')[2] ?? '';
    const rotated = await ask('POST', `/api-keys/${keyId}/rotate`, { key, body: { grace_s: 0 } });
    expect((await ask('GET', '/me', { headers })).status).toBe(401);
    const next = await signIn(String(rotated.body.api_key));
    expect((await ask('GET', '/me', { headers: { cookie: next.cookie } })).status).toBe(200);
    await ask('DELETE', `/api-keys/${keyId}`, { key });
    expect((await ask('GET', '/me', { headers: { cookie: next.cookie } })).status).toBe(401);
  });

  it('that nobody opened, that were changed, or that are over, are 401', async () => {
    const session = await signIn();
    const text = session.cookie;
    for (const cookie of [
      'runledger_session=',
      'runledger_session=hello',
      text.slice(0, -1),
      text.replace('rs_', 'rl_live_'),
      `runledger_session=${key}`,
    ])
      expect((await ask('GET', '/me', { headers: { cookie } })).status).toBe(401);
    const late = await signIn();
    const buckets = new Buckets(gateway.connection);
    const record = JSON.parse((await buckets.get('sessions', idIn(late)))?.text ?? '') as object;
    await buckets.put(
      'sessions',
      idIn(late),
      JSON.stringify({ ...record, expires_at: new Date().toISOString() }),
    );
    expect((await ask('GET', '/me', { headers: { cookie: late.cookie } })).status).toBe(401);
  });

  it('begin anew with their use', async () => {
    const session = await signIn();
    const buckets = new Buckets(gateway.connection);
    const record = JSON.parse((await buckets.get('sessions', idIn(session)))?.text ?? '') as object;
    const soon = new Date(Date.now() + 60_000).toISOString();
    await buckets.put('sessions', idIn(session), JSON.stringify({ ...record, expires_at: soon }));
    const answer = await ask('GET', '/session', { headers: { cookie: session.cookie } });
    expect(answer.headers.get('set-cookie')).toBe(session.set);
    expect(Date.parse(String(answer.body.expires_at)) - Date.now()).toBeGreaterThan(11.9 * 3_600_000);
    const next = await ask('GET', '/session', { headers: { cookie: session.cookie } });
    expect(next.headers.get('set-cookie')).toBeNull();
    expect(next.body.expires_at).toBe(answer.body.expires_at);
  });
});
