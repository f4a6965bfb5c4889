import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeApiKey, parseApiKey } from '../src/auth/api-key.ts';
import { Buckets } from '../src/broker/buckets.ts';
import { KEY_CACHE_MS, KeyRecords } from '../src/keys/key-records.ts';
import { type RunningGateway, startGateway } from './running-gateway.ts';

describe('keys', () => {
  it('have a form that is checked without looking anything up', () => {
    const { key_id, text } = makeApiKey('live');
    expect(text).toMatch(/^rl_live_[0-9A-Za-z]{16}_[0-9A-Za-z]{43}_[0-9a-f]{8}$/);
    expect(parseApiKey(text)).toEqual({ key_id, text });
    for (let at = 0; at < text.length; at += 1) {
      const changed = text.slice(0, at) + (text[at] === 'q' ? 'z' : 'q') + text.slice(at + 1);
      expect(parseApiKey(changed)).toBeUndefined();
    }
  });

  it('are never the same', () => {
    expect(new Set(Array.from({ length: 1000 }, () => makeApiKey('live').text)).size).toBe(1000);
  });
});

describe('key records', () => {
  let gateway: RunningGateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.stop());

  it('are looked up once per 5 s, found or not; a revocation holds after that', async () => {
    let now = 0;
    const records = new KeyRecords(new Buckets(gateway.connection), () => now);
    const key = await gateway.key();
    const keyId = key.split('_')[2] ?? '';
    await Promise.all([records.find(keyId), records.find(keyId), records.find('absent')]);
    expect((await records.find(keyId))?.user_id).toBe('ann');
    expect(await records.find('absent')).toBeUndefined();
    expect(records.lookups).toBe(2);

    const stored = await records.find(keyId);
    const revoked = JSON.stringify({ ...stored, revoked_at: new Date().toISOString() });
    await new Buckets(gateway.connection).put('api-keys', keyId, revoked);
    expect((await records.find(keyId))?.revoked_at).toBeUndefined();
    now = KEY_CACHE_MS;
    expect((await records.find(keyId))?.revoked_at).toBeDefined();
    expect(KEY_CACHE_MS).toBeLessThanOrEqual(5_000);
  });
});
