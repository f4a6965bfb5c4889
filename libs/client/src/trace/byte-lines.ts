const NEWLINE = 10;

/** One line of bytes, without its newline, and where it begins. */
export interface ByteLine {
  bytes: Uint8Array;
  offset: number;
  /** False: the bytes ended before a newline came. */
  whole: boolean;
}

/** The lines of bytes that come in chunks. A line over `most` bytes is passed on as far as it was read, and is the last. */
export async function* byteLines(chunks: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<ByteLine> {
  let parts: Uint8Array[] = [];
  let length = 0;
  let offset = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      const bytes = joined(parts, chunk.subarray(from, at));
      yield { bytes, offset, whole: true };
      offset += bytes.length + 1;
      parts = [];
      length = 0;
      from = at + 1;
    }
    if (from === chunk.length) continue;
    // Copied: the source may use its buffer again, and a `slice` of Node is none.
    parts.push(new Uint8Array(chunk.subarray(from)));
    length += chunk.length - from;
    if (length > most) break;
  }
  if (length > 0) yield { bytes: joined(parts), offset, whole: false };
}

function joined(parts: readonly Uint8Array[], last: Uint8Array = new Uint8Array(0)): Uint8Array {
  if (parts.length === 0) return last;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, last.length));
  let at = 0;
  for (const part of [...parts, last]) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
