import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const KEY_ID_LENGTH = 16;
/** 43 base62 digits hold 256 bits. */
const SECRET_LENGTH = 43;
const FORM = /^rl_([a-z]{1,16})_([0-9A-Za-z]{16})_([0-9A-Za-z]{43})_([0-9a-f]{8})$/;

export interface PresentedKey {
  key_id: string;
  /** The whole key; never logged, never stored. */
  text: string;
}

/** A new key: `rl_<env>_<key id>_<secret>_<crc32>`. */
export function makeApiKey(env: string): PresentedKey {
  const key_id = randomBase62(KEY_ID_LENGTH);
  const body = `rl_${env}_${key_id}_${randomBase62(SECRET_LENGTH)}`;
  return { key_id, text: `${body}_${checksum(body)}` };
}

/** The key as presented, or nothing when its form or checksum is wrong: then nothing needs to be looked up. */
export function parseApiKey(text: string): PresentedKey | undefined {
  const match = FORM.exec(text);
  const key_id = match?.[2];
  if (!match || key_id === undefined) return undefined;
  const body = text.slice(0, text.lastIndexOf('_'));
  return match[4] === checksum(body) ? { key_id, text } : undefined;
}

/** Hex HMAC-SHA256 of a whole key, under a pepper derived from `RUNLEDGER_SECRET_KEY`. */
export class KeyHasher {
  readonly #pepper: Buffer;

  constructor(secretKey: Buffer) {
    this.#pepper = Buffer.from(hkdfSync('sha256', secretKey, '', 'runledger api keys', 32));
  }

  hash(key: PresentedKey): string {
    return createHmac('sha256', this.#pepper).update(key.text).digest('hex');
  }

  /** In time that does not depend on where the two differ. */
  matches(key: PresentedKey, hmac: string): boolean {
    const wanted = Buffer.from(hmac, 'hex');
    const given = Buffer.from(this.hash(key), 'hex');
    return wanted.length === given.length && timingSafeEqual(wanted, given);
  }
}

const checksum = (body: string): string => crc32(body).toString(16).padStart(8, '0');

function randomBase62(length: number): string {
  let text = '';
  while (text.length < length)
    for (const byte of randomBytes(length))
      // 248 is the largest multiple of 62 in a byte: what is above would make some digits likelier.
      if (byte < 248 && text.length < length) text += BASE62.charAt(byte % 62);
  return text;
}
