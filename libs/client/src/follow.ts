import type { StoredEvent } from './api-shapes.ts';
import { backoffMs, pause } from './backoff.ts';
import type { HttpTransport } from './http-transport.ts';
import type { Leg, LegEnd, Way } from './leg.ts';
import { pollLeg } from './poll-leg.ts';
import { RunCursor } from './run-cursor.ts';
import { sseLeg } from './sse-leg.ts';

export interface Reconnect {
  /** How many in a row, without an event between them. */
  consecutive: number;
  /** Wait before the next attempt, in ms. */
  delayMs: number;
  reason: string;
  /** The last event that was passed on; the next attempt asks for what follows. */
  after: number;
  /** How the next attempt is made: by stream, or by polling where streams do not get through. */
  next: Way;
}

export interface FollowOptions {
  /** Start after this event; default 0, from the first one. */
  after?: number | undefined;
  /** Ends the following by throwing the signal's reason. */
  signal?: AbortSignal | undefined;
  onReconnect?: ((reconnect: Reconnect) => void) | undefined;
  /** Called once when the connection keeps failing (the third time in a row), again after the next recovery. */
  onUnstable?: ((reconnect: Reconnect) => void) | undefined;
  /** A connection without a byte for this long is dead, in ms; default 30,000. */
  watchdogMs?: number | undefined;
  /** First and longest wait between reconnects, in ms; default 1,000 and 30,000. The server's `retry:` replaces the first. */
  reconnectMs?: { first: number; cap: number } | undefined;
  /** Waits between polls, in ms; default 500, 1,000, 2,000, 5,000. */
  pollLadder?: readonly number[] | undefined;
}

const UNSTABLE_AFTER = 3;

/**
 * Every event of a run after `after`, each once and in order, until the run's last one, over any number of connections.
 * Throws ApiError for what another attempt would meet again (400, 401, 403, 404, 410); everything else is tried again.
 */
export async function* followRun(
  transport: HttpTransport,
  runId: string,
  options: FollowOptions,
): AsyncGenerator<StoredEvent, void> {
  const cursor = new RunCursor(runId, options.after ?? 0);
  const backoff = { first: 1_000, cap: 30_000, ...options.reconnectMs };
  const leg: Leg = {
    transport,
    cursor,
    signal: options.signal,
    watchdogMs: options.watchdogMs ?? 30_000,
    onRetry: (ms) => void (backoff.first = Math.min(ms, backoff.cap)),
    pollLadder: options.pollLadder ?? [500, 1_000, 2_000, 5_000],
  };
  const trouble = new Trouble();
  for (let way: Way = 'sse'; ;) {
    options.signal?.throwIfAborted();
    const before = cursor.seq;
    const end: LegEnd = yield* way === 'sse' ? sseLeg(leg) : pollLeg(leg);
    if (end.is === 'finished') return;
    way = trouble.note(end, cursor.seq > before);
    const wait = backoffMs(backoff, trouble.consecutive - 1);
    const delayMs = Math.max(wait, end.retryAfterMs ?? 0);
    const reconnect = {
      consecutive: trouble.consecutive,
      delayMs,
      reason: end.reason,
      after: cursor.seq,
      next: way,
    };
    options.onReconnect?.(reconnect);
    if (trouble.consecutive === UNSTABLE_AFTER) options.onUnstable?.(reconnect);
    await pause(delayMs, options.signal);
  }
}

/** Connections lost in a row. */
class Trouble {
  consecutive = 0;
  #silent = 0;

  /** Counts one more loss and says which way to try next. */
  note(end: Extract<LegEnd, { is: 'lost' }>, progressed: boolean): Way {
    if (progressed || end.healthy) this.consecutive = 0;
    this.consecutive++;
    this.#silent = end.silent ? this.#silent + 1 : 0;
    // A proxy that buffers gives a stream without a byte: twice, and it is no chance.
    return this.#silent >= 2 ? 'poll' : end.next;
  }
}
