import { sha256Hex } from './sha256.ts';

const encoder = new TextEncoder();

/** `digest(n) = hex(sha256(digest(n-1) + line n))`, the digest before the first line being the empty string. */
export class DigestChain {
  #digest = '';

  get digest(): string {
    return this.#digest;
  }

  /** A line that may be damaged is given as its bytes: as text it would not be the same. */
  push(line: string | Uint8Array): string {
    const bytes = typeof line === 'string' ? encoder.encode(line) : line;
    const input = new Uint8Array(this.#digest.length + bytes.length);
    encoder.encodeInto(this.#digest, input);
    input.set(bytes, this.#digest.length);
    this.#digest = sha256Hex(input);
    return this.#digest;
  }
}
