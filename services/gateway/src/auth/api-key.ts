import { makeSecretToken, parseSecretToken, Pepper, sameSecret } from './secret-token.ts';

export interface PresentedKey {
  key_id: string;
  /** The whole key; never logged, never stored. */
  text: string;
}

const PREFIX = /^rl_[a-z]{1,16}_[0-9A-Za-z]{16}_/;

/** A new key: `rl_<env>_<key id>_<secret>_<crc32>`; with `keyId`, a new secret of that key. */
export function makeApiKey(env: string, keyId?: string): PresentedKey {
  const { id, text } = makeSecretToken(`rl_${env}`, keyId);
  return { key_id: id, text };
}

/** The key as presented, or nothing when its form or checksum is wrong: then nothing needs to be looked up. */
export function parseApiKey(text: string): PresentedKey | undefined {
  const token = PREFIX.test(text) ? parseSecretToken(text) : undefined;
  return token && { key_id: token.id, text };
}

/** Hex HMAC-SHA256 of a whole key, under a pepper derived from `RUNLEDGER_SECRET_KEY`. */
export class KeyHasher {
  readonly #pepper: Pepper;

  constructor(secretKey: Buffer) {
    this.#pepper = new Pepper(secretKey, 'runledger api keys');
  }

  hash(key: Pick<PresentedKey, 'text'>): string {
    return this.#pepper.hmac(key.text);
  }

  matches(key: PresentedKey, hmac: string): boolean {
    return sameSecret(this.hash(key), hmac);
  }
}
