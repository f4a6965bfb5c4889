const encoder = new TextEncoder();

/** `digest(n) = hex(sha256(digest(n-1) + line n))`, the digest before the first line being the empty string. */
export class DigestChain {
  #digest = '';

  get digest(): string {
    return this.#digest;
  }

  /** A line that may be damaged is given as its bytes: as text it would not be the same. */
  async push(line: string | Uint8Array): Promise<string> {
    const bytes = typeof line === 'string' ? encoder.encode(line) : line;
    const input = new Uint8Array(this.#digest.length + bytes.length);
    encoder.encodeInto(this.#digest, input);
    input.set(bytes, this.#digest.length);
    const hash = await sha256(input);
    this.#digest = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
    return this.#digest;
  }
}

function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  const { subtle } = globalThis.crypto as Partial<typeof globalThis.crypto>;
  if (!subtle)
    throw new Error('checking digests needs Web Crypto: in a browser, a page of https or localhost');
  return subtle.digest('SHA-256', bytes);
}
