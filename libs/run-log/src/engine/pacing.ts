/** Waits that end early when the signal aborts; never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Doubling waits with full jitter over the upper half, from `firstMs` to at most `mostMs`. */
export function backoff(
  attempt: number,
  firstMs: number,
  mostMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const ceiling = Math.min(mostMs, firstMs * 2 ** Math.min(attempt, 16));
  return pause(ceiling / 2 + Math.random() * (ceiling / 2), signal);
}
