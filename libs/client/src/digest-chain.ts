const encoder = new TextEncoder();

/** `digest(n) = hex(sha256(digest(n-1) + line n))`, the digest before the first line being the empty string. */
export class DigestChain {
  #digest = '';

  get digest(): string {
    return this.#digest;
  }

  async push(line: string): Promise<string> {
    const hash = await globalThis.crypto.subtle.digest('SHA-256', encoder.encode(this.#digest + line));
    this.#digest = Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
    return this.#digest;
  }
}
