import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { answerJson, PlayedGateway } from '../../../libs/client/test/played-gateway.ts';
import { callCli } from './called-cli.ts';

const KEY = {
  key_id: 'k234567890123456',
  prefix: 'rl_live_k234567890123456',
  name: 'ci',
  user_id: 'dev',
  status: 'active',
  scopes: ['runs:start', 'runs:read'],
  agent_id: null,
  last_used_at: '2026-11-21T10:00:00.000Z',
  expires_at: null,
  previous_secret_until: null,
};
const SECRET = `${KEY.prefix}_secret_0`;

let gateway: PlayedGateway;
beforeEach(async () => {
  gateway = await PlayedGateway.open();
});
afterEach(() => gateway.close());

async function finished(...args: string[]): Promise<[number | null, string, string]> {
  const called = callCli(gateway, args);
  const code = await called.exit;
  return [code, called.stdout(), called.stderr()];
}

describe('keys', () => {
  it('create prints the key and nothing else, and sends what the flags say', async () => {
    gateway.next(/\/api-keys$/, (_asked, res) => answerJson(res, 201, { ...KEY, api_key: SECRET }));
    const flags = ['--scope', 'runs:start', 'runs:read', '--agent', 'hello', '--requests-per-min', '60'];
    const [code, out, err] = await finished('keys', 'create', 'ci', ...flags, '--expires', '30d');
    expect([code, out]).toEqual([0, `${SECRET}\n`]);
    expect(err).toContain('not shown again');
    const body = JSON.parse(gateway.asked[0]?.body ?? '') as { expires_at: string };
    expect(body).toMatchObject({
      name: 'ci',
      scopes: ['runs:start', 'runs:read'],
      agent_id: 'hello',
      requests_per_min: 60,
    });
    expect(Math.abs(Date.parse(body.expires_at) - Date.now() - 30 * 86_400_000)).toBeLessThan(60_000);
  });

  it('create and rotate are sent once, whatever comes back', async () => {
    for (const args of [
      ['keys', 'create', 'ci', '--scope', 'runs:read'],
      ['keys', 'rotate', KEY.key_id],
    ]) {
      gateway.next(/api-keys/, (_asked, res) => void res.destroy());
      const before = gateway.asked.length;
      expect((await finished(...args))[0]).toBe(1);
      expect(gateway.asked.length).toBe(before + 1);
    }
  });

  it('list shows all pages, without a secret', async () => {
    gateway.next(/\/api-keys/, (_asked, res) => answerJson(res, 200, { keys: [KEY], next_cursor: '7' }));
    gateway.next(/\/api-keys/, (_asked, res) =>
      answerJson(res, 200, { keys: [{ ...KEY, key_id: 'other', status: 'revoked' }], next_cursor: null }),
    );
    const [code, out] = await finished('keys', 'list');
    expect(code).toBe(0);
    expect(
      out
        .split('\n')
        .slice(0, 3)
        .map((line) => line.split(/ {2,}/).slice(0, 3)),
    ).toEqual([
      ['KEY ID', 'STATUS', 'NAME'],
      [KEY.key_id, 'active', 'ci'],
      ['other', 'revoked', 'ci'],
    ]);
    expect(gateway.asked[1]?.query.get('cursor')).toBe('7');
  });

  it('rotate and revoke', async () => {
    const until = '2026-11-22T10:00:00.000Z';
    gateway.next(/\/rotate$/, (_asked, res) =>
      answerJson(res, 200, { ...KEY, previous_secret_until: until, api_key: SECRET }),
    );
    const [code, out, err] = await finished('keys', 'rotate', KEY.key_id, '--grace', '60');
    expect([code, out]).toEqual([0, `${SECRET}\n`]);
    expect(err).toContain(until);
    expect(JSON.parse(gateway.asked[0]?.body ?? '')).toEqual({ grace_s: 60 });
    gateway.next(/\/api-keys\//, (_asked, res) => void res.writeHead(204).end());
    const [revoked, answer] = await finished('keys', 'revoke', KEY.key_id, '--output', 'json');
    expect([revoked, JSON.parse(answer)]).toEqual([0, { key_id: KEY.key_id, status: 'revoked' }]);
    expect(gateway.asked.at(-1)).toMatchObject({ method: 'DELETE', path: `/api-keys/${KEY.key_id}` });
  });

  it.each([
    [['keys', 'create', 'ci']],
    [['keys', 'create', 'ci', '--scope', 'runs:read', '--expires', 'soon']],
    [['keys', 'rotate', 'k', '--discard', 'both']],
    [['keys', 'rotate', 'k', '--grace', '-1']],
    [['keys', 'revoke']],
    [['list', '--label', 'a=b', '--label', 'c=d']],
  ])('%j is a usage error, and nothing is asked', async (args) => {
    expect((await finished(...args))[0]).toBe(2);
    expect(gateway.asked).toEqual([]);
  });
});
