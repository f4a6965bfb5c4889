import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateKeyPair } from 'jose';
import { oidcIssuers } from '../src/auth/oidc-settings.ts';
import { type Answer, call } from './calls.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';
import { TokenIssuer } from './token-issuer.ts';

const unsigned = (payload: object): string =>
  [{ alg: 'none' }, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');

describe('tokens of an issuer', () => {
  let issuer: TokenIssuer;
  let gateway: RunningGateway;
  beforeAll(async () => {
    issuer = await TokenIssuer.open();
    const trusted = {
      issuer: issuer.url,
      audience: 'runledger',
      tenant_id: 'acme',
      claims: { repository: 'acme/runs' },
      scopes: ['runs:start', 'runs:read', 'keys:write'],
      agent_id: 'ticker',
    };
    gateway = await startGateway({ oidc: JSON.stringify([trusted]) });
  });
  afterAll(async () => {
    await gateway.stop();
    await issuer.close();
  });

  const good = { repository: 'acme/runs' };
  const me = (key: string): Promise<Answer> => call('GET', `${gateway.url}/me`, { key });

  it('say who it is, and what was configured says what they may do', async () => {
    expect(await me(await issuer.token(good))).toMatchObject({
      status: 200,
      body: {
        tenant_id: 'acme',
        user_id: 'ann',
        agent_id: 'ticker',
        scopes: ['keys:write', 'runs:read', 'runs:start'],
      },
    });
    const ci = await issuer.token({ ...good, sub: 'repo:acme/runs:ref:refs/heads/main', tenant_id: 'rival' });
    const { body } = await me(ci);
    expect(body).toMatchObject({ tenant_id: 'acme', user_id: expect.stringMatching(/^oidc-[0-9a-f]{32}$/) });
    const started = await call('POST', `${gateway.url}/agents/run-code/start`, {
      key: ci,
      body: { agent_id: 'ticker' },
    });
    expect(started.status).toBe(202);
    expect(
      (await call('GET', `${gateway.url}/runs/${String(started.body.run_id)}`, { key: ci })).status,
    ).toBe(200);
    const other = await issuer.token(good);
    expect(
      (await call('GET', `${gateway.url}/runs/${String(started.body.run_id)}`, { key: other })).status,
    ).toBe(403);
  });

  it('may be a minute late, on clocks that differ', async () => {
    const now = Math.floor(Date.now() / 1000);
    expect((await me(await issuer.token({ ...good, exp: now - 30 }))).status).toBe(200);
    expect((await me(await issuer.token({ ...good, nbf: now + 30 }))).status).toBe(200);
  });

  it('make keys and sessions that end with them', async () => {
    const key = await issuer.token(good);
    const made = await call('POST', `${gateway.url}/api-keys`, {
      key,
      body: { name: 'ci', scopes: ['runs:read'] },
    });
    expect(made.status).toBe(201);
    expect(Date.parse(String(made.body.expires_at)) - Date.now()).toBeLessThanOrEqual(600_000);
    const session = await call('POST', `${gateway.url}/session`, { key });
    expect(Date.parse(String(session.body.expires_at)) - Date.now()).toBeLessThanOrEqual(600_000);
    const cookie = session.headers.get('set-cookie')?.split(';')[0] ?? '';
    expect(await call('GET', `${gateway.url}/me`, { headers: { cookie } })).toMatchObject({
      status: 200,
      body: { user_id: 'ann', agent_id: 'ticker' },
    });
  });

  it('that are not good are 401', async () => {
    const now = Math.floor(Date.now() / 1000);
    const { privateKey } = await generateKeyPair('RS256');
    const whole = await issuer.token(good);
    const [head, payload, signature] = whole.split('.');
    const forged = Buffer.from(
      JSON.stringify({ iss: issuer.url, aud: 'runledger', sub: 'root', exp: now + 600, ...good }),
    );
    const bad: [string, string][] = [
      ['over', await issuer.token({ ...good, exp: now - 120 })],
      ['not yet', await issuer.token({ ...good, nbf: now + 120 })],
      ['another audience', await issuer.token({ ...good, aud: 'elsewhere' })],
      ['another issuer', await issuer.token({ ...good, iss: 'https://elsewhere.example' })],
      ['without a needed claim', await issuer.token()],
      ['with another value of it', await issuer.token({ repository: 'rival/runs' })],
      ['without a subject', await issuer.token({ ...good, sub: '' })],
      ['signed by another', await issuer.token(good, { key: privateKey })],
      ['of a key that nobody has', await issuer.token(good, { kid: 'other' })],
      ['signed with a shared secret', await issuer.token(good, { alg: 'HS256', key: Buffer.alloc(32, 1) })],
      [
        'not signed',
        `${unsigned({ iss: issuer.url, aud: 'runledger', sub: 'ann', exp: now + 600, ...good })}.`,
      ],
      ['changed', `${head}.${forged.toString('base64url')}.${signature}`],
      ['cut', `${head}.${payload}.`],
      ['large', await issuer.token({ ...good, padding: 'x'.repeat(9_000) })],
    ];
    for (const [what, token] of bad) expect([what, (await me(token)).status]).toEqual([what, 401]);
  });

  it('a flood of unknown keys asks the issuer once in half a minute at most', async () => {
    const before = issuer.fetches;
    await Promise.all(
      Array.from({ length: 50 }, async (_, at) => me(await issuer.token(good, { kid: `flood-${at}` }))),
    );
    expect(issuer.fetches - before).toBeLessThanOrEqual(1);
  });

  it('while the issuer is down known keys go on, and what cannot be known is not let in', async () => {
    issuer.down = true;
    expect((await me(await issuer.token(good))).status).toBe(200);
    const fresh = await startGateway({ beside: gateway });
    const answer = await call('GET', `${fresh.url}/me`, { key: await issuer.token(good) });
    expect(answer).toMatchObject({ status: 503, body: { code: 'issuer_unavailable' } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    issuer.down = false;
    expect((await call('GET', `${fresh.url}/me`, { key: await issuer.token(good) })).status).toBe(200);
    await fresh.stop();
  });
});

describe('RUNLEDGER_OIDC', () => {
  const issuer = {
    issuer: 'https://id.example',
    audience: 'runledger',
    tenant_id: 'acme',
    scopes: ['runs:read'],
  };

  it('may be absent, and has defaults', () => {
    expect(oidcIssuers(undefined)).toEqual([]);
    expect(oidcIssuers(JSON.stringify([issuer]))).toMatchObject([
      { algorithms: ['RS256'], user_claim: 'sub' },
    ]);
  });

  it.each([
    ['no JSON', '[', 'it:'],
    ['no list', JSON.stringify(issuer), 'it:'],
    [
      'plain http elsewhere',
      JSON.stringify([{ ...issuer, issuer: 'http://id.example' }]),
      '0.issuer: must be https',
    ],
    [
      'an algorithm with a shared secret',
      JSON.stringify([{ ...issuer, algorithms: ['HS256'] }]),
      '0.algorithms.0',
    ],
    ['no algorithm', JSON.stringify([{ ...issuer, algorithms: ['none'] }]), '0.algorithms.0'],
    ['no scope', JSON.stringify([{ ...issuer, scopes: [] }]), '0.scopes'],
    ['an unknown field', JSON.stringify([{ ...issuer, secret: 'x' }]), 'RUNLEDGER_OIDC is wrong'],
  ])('refuses %s', (_what, text, message) => {
    expect(() => oidcIssuers(text)).toThrow(message);
  });
});
