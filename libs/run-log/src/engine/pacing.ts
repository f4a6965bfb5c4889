import type { Timing } from './timing.ts';

/** Waits that end early when the signal aborts; never rejects. */
export function pause(timing: Timing, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = timing.after(ms, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** What grows between tries: `attempt` counts from 0. */
export interface Backoff {
  attempt: number;
  firstMs: number;
  mostMs: number;
}

/** Doubling waits with full jitter over the upper half, from `firstMs` to at most `mostMs`. */
export function backoff(
  timing: Timing,
  { attempt, firstMs, mostMs }: Backoff,
  signal?: AbortSignal,
): Promise<void> {
  const ceiling = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 16));
  return pause(timing, ceiling / 2 + timing.random() * (ceiling / 2), signal);
}
