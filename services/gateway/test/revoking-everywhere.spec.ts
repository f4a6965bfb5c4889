import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '@runledger/testkit';
import { call } from './calls.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';
import { SseClient } from './sse-client.ts';

const WITHIN_MS = 5_000;

describe('two gateways', () => {
  let first: RunningGateway;
  let second: RunningGateway;
  beforeAll(async () => {
    first = await startGateway();
    second = await startGateway({ beside: first });
  });
  afterAll(async () => {
    await second.stop();
    await first.stop();
  });

  it('a key revoked at one is refused at both within 5 s, with its sessions and open streams', async () => {
    const key = await first.key();
    const other = await first.key();
    const session = await call('POST', `${second.url}/session`, { key });
    const cookie = session.headers.get('set-cookie')?.split(';')[0] ?? '';
    const started = await call('POST', `${first.url}/agents/run-code/start`, {
      key,
      body: { agent_id: 'ticker' },
    });
    const stream = `/runs/${String(started.body.run_id)}/stream`;
    const byKey = await SseClient.open(second.url + stream, { authorization: `Bearer ${key}` });
    const byCookie = await SseClient.open(second.url + stream, { cookie });
    const kept = await SseClient.open(second.url + stream, { authorization: `Bearer ${other}` });
    for (const reader of [byKey, byCookie, kept]) await reader.until((it) => it.ids.length > 0);
    for (const { url } of [first, second]) expect((await call('GET', `${url}/me`, { key })).status).toBe(200);
    expect((await call('GET', `${second.url}/me`, { headers: { cookie } })).status).toBe(200);

    const keyId = key.split('_')[2] ?? '';
    expect((await call('DELETE', `${first.url}/api-keys/${keyId}`, { key: other })).status).toBe(204);
    const revokedAt = performance.now();
    expect((await call('GET', `${first.url}/me`, { key })).status).toBe(401);
    const refused = async (ask: () => Promise<boolean>): Promise<number> => {
      await waitFor(ask, { timeoutMs: 15_000, describe: 'the refusal' });
      return performance.now() - revokedAt;
    };
    const took = await Promise.all([
      refused(async () => (await call('GET', `${second.url}/me`, { key })).status === 401),
      refused(async () => (await call('GET', `${second.url}/me`, { headers: { cookie } })).status === 401),
      refused(() => Promise.resolve(byKey.ended === 'end')),
      refused(() => Promise.resolve(byCookie.ended === 'end')),
    ]);
    for (const ms of took) expect(ms).toBeLessThan(WITHIN_MS);
    expect(kept.ended).toBeUndefined();
    kept.close();
  });

  it('both write the use of a key, once', async () => {
    const key = await first.key();
    const keyId = key.split('_')[2] ?? '';
    const created = (await (await first.connection.jsm()).streams.info('KV_api-keys')).state.last_seq;
    await Promise.all(
      Array.from({ length: 20 }, (_, at) => call('GET', `${at % 2 ? first.url : second.url}/me`, { key })),
    );
    const stored = async (): Promise<{ seq: number; text: string }> => {
      const jsm = await first.connection.jsm();
      const message = await jsm.streams.getMessage('KV_api-keys', { last_by_subj: `$KV.api-keys.${keyId}` });
      return { seq: message?.seq ?? 0, text: message?.string() ?? '' };
    };
    await waitFor(async () => (await stored()).text.includes('last_used_at'), { describe: 'the use' });
    // A second write would have another number; both gateways have answered twenty requests by now.
    await Promise.all([first, second].map(({ url }) => call('GET', `${url}/me`, { key })));
    expect((await stored()).seq).toBe(created + 1);
  });

  it('never does the note of a use undo a revocation', async () => {
    for (let round = 0; round < 10; round += 1) {
      const key = await first.key();
      const admin = await first.key({ scopes: ['admin'] });
      const uses = Array.from({ length: 4 }, (_, at) =>
        call('GET', `${at % 2 ? first.url : second.url}/me`, { key }),
      );
      const revoked = call('DELETE', `${second.url}/api-keys/${key.split('_')[2] ?? ''}`, { key: admin });
      await Promise.all([...uses, revoked]);
      expect((await revoked).status).toBe(204);
      expect((await call('GET', `${second.url}/me`, { key })).status).toBe(401);
    }
  });
});
