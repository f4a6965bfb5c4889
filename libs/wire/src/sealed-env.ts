import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { Poison } from './ids.ts';

const VERSION = 'v1';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Values of a start's `env`, encrypted for the bucket `run-env`: `v1.<base64url of iv, tag, ciphertext>`.
 * AES-256-GCM under a key derived from `RUNLEDGER_SECRET_KEY`.
 */
export function sealEnv(secretKey: Buffer, env: Record<string, string>): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyFor(secretKey), iv);
  const text = Buffer.concat([cipher.update(JSON.stringify(env), 'utf8'), cipher.final()]);
  return `${VERSION}.${Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64url')}`;
}

/** What `sealEnv` sealed; Poison when it was made with another key, or changed. */
export function openEnv(secretKey: Buffer, text: string): Record<string, string> {
  const [version, body, ...rest] = text.split('.');
  if (version !== VERSION || !body || rest.length > 0)
    throw new Poison('invalid_env', 'the sealed env has an unknown form');
  const bytes = Buffer.from(body, 'base64url');
  try {
    const decipher = createDecipheriv('aes-256-gcm', keyFor(secretKey), bytes.subarray(0, IV_BYTES));
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    const plain = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
    return JSON.parse(plain.toString('utf8')) as Record<string, string>;
  } catch (cause) {
    throw new Poison('invalid_env', 'the sealed env cannot be opened with this secret key', { cause });
  }
}

function keyFor(secretKey: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', secretKey, '', 'runledger run env', 32));
}
