export interface Backoff {
  /** First wait, in ms. */
  first: number;
  /** Longest wait, in ms. */
  cap: number;
}

/** Doubling with equal jitter: half of the wait is certain, the other half random. `attempt` counts from 0; answers ms. */
export function backoffMs(backoff: Backoff, attempt: number, random: () => number = Math.random): number {
  const whole = Math.min(backoff.cap, backoff.first * 2 ** Math.min(attempt, 30));
  return Math.round(whole / 2 + (whole / 2) * random());
}

/** `Retry-After` in ms from `now`: seconds or an HTTP date; null when absent or senseless. */
export function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null) return null;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header.trim()) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/** Resolves after `ms`, or at once when the signal aborts (it does not throw: the caller looks at the signal). */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
