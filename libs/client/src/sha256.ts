/** SHA-256 in hex. */
export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const { subtle } = globalThis.crypto as Partial<typeof globalThis.crypto>;
  if (!subtle)
    throw new Error('checking digests needs Web Crypto: in a browser, a page of https or localhost');
  const hash = await subtle.digest('SHA-256', bytes);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
