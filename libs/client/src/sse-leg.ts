import type { StoredEvent } from './api-shapes.ts';
import { UnreachableError } from './errors.ts';
import { apiErrorOf } from './problem.ts';
import { lostBy, type Leg, type LegEnd } from './leg.ts';
import { SseConnection } from './sse-connection.ts';
import { endsRun } from './stored-event.ts';

/** One SSE connection: what it brings after the cursor, and how it ended. */
export async function* sseLeg(leg: Leg): AsyncGenerator<StoredEvent, LegEnd> {
  const opened = await open(leg);
  if ('is' in opened) return opened;
  const connectedAt = performance.now();
  try {
    for await (const frame of opened.frames()) {
      // Only frames with an id are events of the log.
      if (frame.id === undefined) continue;
      const received = leg.cursor.receive(frame.data, frame.id);
      if (received.is === 'repeat') continue;
      if (received.is === 'wrong') return { is: 'lost', reason: received.reason, next: 'sse' };
      yield received.event;
      if (endsRun(received.event.type)) return { is: 'finished' };
    }
  } finally {
    await opened.close();
  }
  return {
    is: 'lost',
    reason: opened.reason,
    next: 'sse',
    // A quiet run behind a proxy with a time limit is no flapping link.
    healthy: opened.receivedBytes > 0 && performance.now() - connectedAt > leg.watchdogMs,
    silent: opened.end === 'silent' && opened.receivedBytes === 0,
  };
}

async function open(leg: Leg): Promise<SseConnection | LegEnd> {
  const { cursor, signal, watchdogMs } = leg;
  const headers: Record<string, string> = { accept: 'text/event-stream' };
  if (cursor.seq > 0) headers['last-event-id'] = String(cursor.seq);
  const path = `runs/${encodeURIComponent(cursor.runId)}/stream`;
  let response: Response;
  try {
    response = await leg.transport.open({ method: 'GET', path, headers, signal }, watchdogMs);
  } catch (error) {
    if (error instanceof UnreachableError) return lostBy(error);
    throw error;
  }
  if (response.status === 204) return { is: 'finished' };
  if (!response.ok) return lostBy(await apiErrorOf(response));
  const kind = response.headers.get('content-type') ?? '';
  if (!kind.startsWith('text/event-stream') || response.body === null) {
    await response.body?.cancel();
    return { is: 'lost', reason: `the stream answered with ${kind || 'no content type'}`, next: 'poll' };
  }
  return new SseConnection(response.body, { watchdogMs, onRetry: leg.onRetry, signal });
}
