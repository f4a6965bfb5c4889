import { reasonOf } from '../errors.ts';

/** Packed bytes that cannot be unpacked: damaged, or cut. */
export class UnpackError extends Error {
  override readonly name = 'UnpackError';
}

/** The bytes as they are, or unpacked where they begin like gzip. Throws UnpackError. */
export async function* unpacked(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = chunks[Symbol.asyncIterator]();
  try {
    const head: Uint8Array[] = [];
    for (let length = 0; length < 2;) {
      const next = await source.next();
      if (next.done) break;
      head.push(next.value);
      length += next.value.length;
    }
    const isGzip = byteAt(head, 0) === 0x1f && byteAt(head, 1) === 0x8b;
    const whole = continued(head, source);
    yield* isGzip ? gunzipped(whole) : whole;
  } finally {
    await source.return?.();
  }
}

function byteAt(chunks: readonly Uint8Array[], index: number): number | undefined {
  let left = index;
  for (const chunk of chunks) {
    if (left < chunk.length) return chunk[left];
    left -= chunk.length;
  }
  return undefined;
}

async function* continued(
  head: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* head;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

async function* gunzipped(packed: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  // What the source itself throws is passed on as it is.
  let failure: { error: unknown } | undefined;
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (controller) => {
      try {
        const next = await packed.next();
        if (next.done) controller.close();
        else controller.enqueue(new Uint8Array(next.value));
      } catch (error) {
        failure = { error };
        controller.error(error);
      }
    },
  });
  const reader = source.pipeThrough(new DecompressionStream('gzip')).getReader();
  try {
    for (;;) {
      const next = await reader.read();
      if (next.done) return;
      yield next.value;
    }
  } catch (cause) {
    if (failure) throw failure.error;
    throw new UnpackError(`the gzip is damaged or cut (${reasonOf(cause)})`, { cause });
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
