import { ApiError, type UnreachableError } from './errors.ts';
import type { HttpTransport } from './http-transport.ts';
import type { RunCursor } from './run-cursor.ts';

export type Way = 'sse' | 'poll';

/** How one stretch of following ended: the run has no more events, or the connection is to be made again. */
export type LegEnd =
  | { is: 'finished' }
  | {
      is: 'lost';
      reason: string;
      next: Way;
      retryAfterMs?: number | null;
      healthy?: boolean;
      silent?: boolean;
    };

export interface Leg {
  transport: HttpTransport;
  cursor: RunCursor;
  signal?: AbortSignal | undefined;
  watchdogMs: number;
  onRetry: (ms: number) => void;
  /** Waits between polls in ms; the last one repeats, any event goes back to the first. */
  pollLadder: readonly number[];
}

/** Refusals that another attempt would meet again. 408, 425 and 429 are about this moment only. */
export const isFatal = (error: ApiError | UnreachableError): error is ApiError =>
  error instanceof ApiError && error.status < 500 && ![408, 425, 429].includes(error.status);

/** What a failed attempt means for the follower; throws what is fatal. */
export function lostBy(error: ApiError | UnreachableError): LegEnd {
  if (isFatal(error)) throw error;
  const retryAfterMs = error instanceof ApiError ? error.retry_after_ms : null;
  const reason = error instanceof ApiError ? `${error.status} ${error.message}` : error.message;
  return { is: 'lost', reason, next: 'sse', retryAfterMs };
}
