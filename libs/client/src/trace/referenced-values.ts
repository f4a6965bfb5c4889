import { BrokenTraceError, reasonOf } from '../errors.ts';
import { sha256Hex } from '../sha256.ts';
import type { TraceEvent } from './verify-trace.ts';

/** A value over 64 KiB, which the event keeps by reference. */
export interface BlobReference {
  blob: string;
  bytes: number;
}

/** Values that events keep by reference, and the first event that has each. */
export class ReferencedValues {
  readonly #decoder = new TextDecoder();
  readonly #found = new Map<string, BlobReference & { seq: number; offset: number }>();

  note({ line, seq, offset }: TraceEvent): void {
    const text = this.#decoder.decode(line);
    // Most events have none, and need not be parsed for it.
    if (!text.includes('"blob":"')) return;
    for (const reference of blobReferences(JSON.parse(text)))
      if (!this.#found.has(reference.blob)) this.#found.set(reference.blob, { ...reference, seq, offset });
  }

  /** How many there are. Throws BrokenTraceError for the first that is missing or has other bytes. */
  async check(fetchBlob: (sha256: string) => Promise<Uint8Array>): Promise<number> {
    for (const { blob, bytes, seq, offset } of this.#found.values()) {
      const broken = (reason: string, cause?: unknown): BrokenTraceError =>
        new BrokenTraceError(
          { code: 'blob', from: seq, seq, offset, reason: `its value ${blob} ${reason}` },
          { cause },
        );
      const value = await fetchBlob(blob).catch((error: unknown) => {
        throw broken(`cannot be read: ${reasonOf(error)}`, error);
      });
      const actual = sha256Hex(value);
      if (actual !== blob) throw broken(`has other bytes, with SHA-256 ${actual}`);
      if (value.length !== bytes) throw broken(`has ${value.length} bytes, and the event says ${bytes}`);
    }
    return this.#found.size;
  }
}

/** Objects of exactly the form of a reference, wherever they are in an event. */
export function blobReferences(value: unknown): BlobReference[] {
  if (typeof value !== 'object' || value === null) return [];
  if (isReference(value)) return [{ blob: value.blob, bytes: value.bytes }];
  return Object.values(value).flatMap(blobReferences);
}

function isReference(value: object): value is BlobReference {
  const { blob, bytes, preview } = value as { blob?: unknown; bytes?: unknown; preview?: unknown };
  if (typeof blob !== 'string' || typeof bytes !== 'number' || typeof preview !== 'string') return false;
  return Object.keys(value).length === 3 && /^[0-9a-f]{64}$/.test(blob);
}
