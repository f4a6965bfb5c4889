import { reasonOf, UnreachableError } from '../errors.ts';
import type { Call, HttpTransport } from '../http-transport.ts';

const SILENCE_MS = 30_000;

/** The bytes of an answer as they come. Throws UnreachableError when they stop before the end. */
export async function* fetchBytes(transport: HttpTransport, call: Call): AsyncGenerator<Uint8Array, void> {
  const { body } = await transport.stream(call);
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const next = await inTime(reader.read());
      if (next.done) return;
      yield next.value;
    }
  } catch (cause) {
    call.signal?.throwIfAborted();
    throw new UnreachableError(transport.urlOf(call), `the answer was cut: ${reasonOf(cause)}`, { cause });
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function inTime<T>(read: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no byte for ${SILENCE_MS} ms`)), SILENCE_MS);
  });
  try {
    return await Promise.race([read, silence]);
  } finally {
    clearTimeout(timer);
  }
}
