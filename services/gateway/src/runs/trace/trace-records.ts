import type { StoredLines } from '@runledger/run-log';
import { chainDigest } from '@runledger/wire';

export const traceHeader = (end: { run_id: string; seq: number; digest: string }): string =>
  `${JSON.stringify({ trace: 1, ...end })}\n`;

/**
 * Stored lines, each with the digest after it as one more field at its end. The last digest of each commit is the one that
 * was stored with it; those before it are computed, and only said of a commit whose lines fit what was stored.
 */
export class TraceRecords {
  #digest = '';

  of({ lines, digest: stored }: StoredLines): string {
    let digest = this.#digest;
    const digests = lines.map(({ line }) => (digest = chainDigest(digest, [line])));
    const fits = digest === stored;
    this.#digest = stored;
    return lines
      .map(({ line }, index) => {
        if (index === lines.length - 1) return record(line, stored);
        return record(line, fits ? (digests[index] ?? null) : null);
      })
      .join('');
  }
}

function record(line: string, digest: string | null): string {
  // What is damaged is shown as it is: a brace put there would mend it.
  if (!line.endsWith('}')) return `${line}\n`;
  return `${line.slice(0, -1)},"digest":${JSON.stringify(digest)}}\n`;
}
