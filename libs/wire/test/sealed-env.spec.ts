import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { openEnv, sealEnv } from '../src/sealed-env.ts';

describe('sealed env', () => {
  const key = randomBytes(32);

  it('opens to what was sealed and shows none of it', () => {
    const sealed = sealEnv(key, { TOKEN: 'hunter2 ä' });
    expect(openEnv(key, sealed)).toEqual({ TOKEN: 'hunter2 ä' });
    expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('hunter2');
  });

  it('never seals to the same text twice', () => {
    expect(sealEnv(key, { A: '1' })).not.toBe(sealEnv(key, { A: '1' }));
  });

  it.each([
    ['another key', (text: string) => [randomBytes(32), text] as const],
    [
      'a changed byte',
      (text: string) => [key, text.slice(0, 40) + (text[40] === 'A' ? 'B' : 'A') + text.slice(41)] as const,
    ],
    ['a short text', () => [key, 'v1.AAAA'] as const],
    ['no text', () => [key, ''] as const],
    ['an unknown version', (text: string) => [key, text.replace('v1', 'v9')] as const],
  ])('refuses %s', (_name, change) => {
    const [otherKey, text] = change(sealEnv(key, { TOKEN: 'a value long enough to be changed' }));
    expect(() => openEnv(otherKey, text)).toThrow(expect.objectContaining({ code: 'invalid_env' }));
  });
});
