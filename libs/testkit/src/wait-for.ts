import { setTimeout as pause } from 'node:timers/promises';

export interface WaitForOptions {
  /** Milliseconds until it gives up; default 25,000: within the time of a test, also on a busy machine. */
  timeoutMs?: number;
  /** What is awaited, for the error; a function is asked at the end, so it may tell the last thing seen. */
  describe: string | (() => string);
  /** Milliseconds between two tries; default 20. */
  everyMs?: number;
}

/**
 * Tries `condition` until it gives something other than undefined, null or false, and hands that back.
 * @throws Error naming `describe` and the last error of the condition, if it threw, when the time is over.
 */
export async function waitFor<T>(
  condition: () => Promise<T | undefined | null | false> | T | undefined | null | false,
  options: WaitForOptions,
): Promise<T> {
  const { timeoutMs = 25_000, everyMs = 20 } = options;
  const end = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== undefined && value !== null && value !== false) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() >= end) break;
    await pause(everyMs);
  }
  const what = typeof options.describe === 'string' ? options.describe : options.describe();
  const because = lastError instanceof Error ? `: ${lastError.message}` : '';
  throw new Error(`not within ${timeoutMs} ms: ${what}${because}`, { cause: lastError });
}
