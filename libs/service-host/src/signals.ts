import type { Logger } from 'pino';

export interface ProcessSignals {
  exit(code: number): void;
  /** Stops listening. */
  forget(): void;
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
const NUMBER = { SIGTERM: 15, SIGINT: 2 };

/** One Ctrl-C may arrive twice: from the terminal, and passed on by the program that started this one. */
const ONE_KEY_PRESS_MS = 1_000;

/** The first signal closes in order and exits 0 (1 when that takes longer than `limitMs`); the second exits at once. */
export function watchSignals(logger: Logger, limitMs: number, close: () => Promise<void>): ProcessSignals {
  let first = true;
  let begun = { signal: '', at: 0 };
  const exit = (code: number): void => {
    logger.flush(() => process.exit(code));
  };
  const onSignal = (signal: (typeof SIGNALS)[number]): void => {
    if (!first) {
      if (signal === begun.signal && performance.now() - begun.at < ONE_KEY_PRESS_MS) return;
      logger.warn({ signal }, 'second signal: exits at once');
      exit(128 + NUMBER[signal]);
      return;
    }
    first = false;
    begun = { signal, at: performance.now() };
    logger.info({ signal }, `${signal}: shutting down`);
    const late = setTimeout(() => {
      logger.error({ signal }, `not closed within ${limitMs} ms: gives up`);
      exit(1);
    }, limitMs);
    late.unref();
    close().then(
      () => exit(0),
      (error: unknown) => {
        logger.error({ error }, 'closing failed');
        exit(1);
      },
    );
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    exit,
    forget: () => {
      // While it closes by a signal, a second one must still be heard.
      if (first) for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}
