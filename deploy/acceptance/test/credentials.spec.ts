import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RunledgerClient } from '@runledger/client';
import { startCell, type Cell } from './cell.ts';

/** The gateway has the identity at the broker that production gives it: what that may not do ends the suite in an error. */
describe('keys and sessions of a cell', () => {
  let cell: Cell;
  let owner: RunledgerClient;
  let key: string;

  beforeAll(async () => {
    cell = await startCell();
    owner = await cell.client('ann');
    key = await cell.key('ann');
  }, 120_000);
  afterAll(() => cell.stop());

  it('live from being made to being revoked, and the trail tells it', async () => {
    const made = await owner.keys.create({
      name: 'ci',
      scopes: ['runs:start', 'runs:read'],
      agent_id: 'hello',
    });
    const ci = new RunledgerClient({ url: cell.url, apiKey: made.api_key });
    const { run_id } = await ci.start({ agent_id: 'hello', input: { message: 'hi' } });
    for await (const event of ci.follow(run_id)) expect(event.seq).toBeGreaterThan(0);
    expect(await ci.getRun(run_id)).toMatchObject({ status: 'success', user_id: 'ann' });
    await expect(ci.start({ agent_id: 'ticker' })).rejects.toMatchObject({ status: 403 });

    const rotated = await owner.keys.rotate(made.key_id, { grace_s: 60 });
    const next = new RunledgerClient({ url: cell.url, apiKey: rotated.api_key });
    for (const client of [ci, next]) expect(await client.me()).toMatchObject({ agent_id: 'hello' });
    await owner.keys.revoke(made.key_id);
    for (const client of [ci, next]) await expect(client.me()).rejects.toMatchObject({ status: 401 });

    const listed = [];
    for await (const one of owner.keys.each()) if (one.key_id === made.key_id) listed.push(one);
    expect(listed).toMatchObject([{ status: 'revoked', name: 'ci' }]);
    const trail = await fetch(`${cell.url}/audit`, { headers: { authorization: `Bearer ${key}` } });
    const { events } = (await trail.json()) as { events: { key_id: string; type: string }[] };
    const types = events.filter((event) => event.key_id === made.key_id).map((event) => event.type);
    expect(types).toEqual(['key.created', 'key.rotated', 'key.revoked']);
  });

  it('a browser starts a run and follows it with its cookie', async () => {
    const opened = await fetch(`${cell.url}/session`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
    });
    const { csrf_token } = (await opened.json()) as { csrf_token: string };
    const cookie = opened.headers.get('set-cookie')?.split(';')[0] ?? '';
    const started = await fetch(`${cell.url}/agents/run-code/stream`, {
      method: 'POST',
      headers: { cookie, 'x-csrf-token': csrf_token, 'content-type': 'application/json' },
      body: JSON.stringify({ agent_id: 'hello', input: { message: 'hi' } }),
    });
    expect(await started.text()).toContain('event: run.succeeded');
    const closed = await fetch(`${cell.url}/session`, {
      method: 'DELETE',
      headers: { cookie, 'x-csrf-token': csrf_token },
    });
    expect(closed.status).toBe(204);
    expect((await fetch(`${cell.url}/me`, { headers: { cookie } })).status).toBe(401);
  });
});
