import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ID_LENGTH = 16;
/** 43 base62 digits hold 256 bits. */
const SECRET_LENGTH = 43;
const FORM = /^[a-z_]{1,20}_([0-9A-Za-z]{16})_[0-9A-Za-z]{43}_([0-9a-f]{8})$/;

/** A secret as it was presented: `<prefix>_<id>_<secret>_<crc32>`. */
export interface SecretToken {
  id: string;
  /** The whole of it; never logged, never stored. */
  text: string;
}

export function makeSecretToken(prefix: string, id = randomBase62(ID_LENGTH)): SecretToken {
  const body = `${prefix}_${id}_${randomBase62(SECRET_LENGTH)}`;
  return { id, text: `${body}_${checksum(body)}` };
}

/** Nothing when the form or the checksum is wrong: then nothing needs to be looked up. */
export function parseSecretToken(text: string): SecretToken | undefined {
  const match = FORM.exec(text);
  const id = match?.[1];
  if (!match || id === undefined) return undefined;
  const body = text.slice(0, text.lastIndexOf('_'));
  return match[2] === checksum(body) ? { id, text } : undefined;
}

/** Hex HMAC-SHA256 under a pepper derived from `RUNLEDGER_SECRET_KEY`, another one for each purpose. */
export class Pepper {
  readonly #pepper: Buffer;

  constructor(secretKey: Buffer, purpose: string) {
    this.#pepper = Buffer.from(hkdfSync('sha256', secretKey, '', purpose, 32));
  }

  hmac(text: string): string {
    return createHmac('sha256', this.#pepper).update(text).digest('hex');
  }
}

/** In time that does not depend on where the two differ. Hex of the same length. */
export function sameSecret(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
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
