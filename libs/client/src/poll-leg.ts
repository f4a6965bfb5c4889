import { isEnded, type Run, type StoredEvent } from './api-shapes.ts';
import { pause } from './backoff.ts';
import { lostBy, type Leg, type LegEnd } from './leg.ts';
import { endsRun } from './stored-event.ts';
import { readStoredLines, STORED_LINES } from './stored-lines.ts';

const PAGE = 1000;

/** Follows by asking again and again, for networks that let no stream through. */
export async function* pollLeg(leg: Leg): AsyncGenerator<StoredEvent, LegEnd> {
  const { cursor, signal, transport } = leg;
  const path = `runs/${encodeURIComponent(cursor.runId)}`;
  for (let quiet = 0; ;) {
    const query = new URLSearchParams({ after: String(cursor.seq), limit: String(PAGE) });
    const answer = await transport.attempt({
      method: 'GET',
      path: `${path}/events`,
      query,
      headers: { accept: STORED_LINES },
      signal,
    });
    if (answer instanceof Error) return lostBy(answer);
    const lines = await readStoredLines(answer);
    if (lines === null) return { is: 'lost', reason: 'the events answered with something else', next: 'sse' };
    const before = cursor.seq;
    for (const line of lines) {
      const received = cursor.receive(line);
      if (received.is === 'repeat') continue;
      if (received.is === 'wrong') return { is: 'lost', reason: received.reason, next: 'poll' };
      yield received.event;
      if (endsRun(received.event.type)) return { is: 'finished' };
    }
    if (lines.length === PAGE) continue;
    quiet = cursor.seq > before ? 0 : quiet + 1;
    if (quiet > 1 && (await hasEndedAt(leg, path))) return { is: 'finished' };
    await pause(leg.pollLadder[Math.min(quiet, leg.pollLadder.length - 1)] ?? 1000, signal);
    signal?.throwIfAborted();
  }
}

/** A cursor that stands at the last event of an ended run never sees an end event. */
async function hasEndedAt({ transport, cursor, signal }: Leg, path: string): Promise<boolean> {
  const answer = await transport.attempt({ method: 'GET', path, signal });
  if (answer instanceof Error) return false;
  try {
    const run = (await answer.json()) as Run;
    return isEnded(run.status) && run.seq <= cursor.seq;
  } catch {
    return false;
  }
}
