import { createHash } from 'node:crypto';

/** A trace as a gateway writes it. `claims`: which events say the digest after them; default all. */
export function traceOf(
  runId: string,
  lines: readonly string[],
  claims: (seq: number) => boolean = () => true,
): string {
  let digest = '';
  const records = lines.map((line, index) => {
    digest = createHash('sha256').update(digest).update(line).digest('hex');
    const claim = claims(index + 1) ? `"${digest}"` : 'null';
    return `${line.slice(0, -1)},"digest":${claim}}\n`;
  });
  return `{"trace":1,"run_id":"${runId}","seq":${lines.length},"digest":"${digest}"}\n${records.join('')}`;
}

export async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
