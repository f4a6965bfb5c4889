import type { RunEvent, StoredEvent } from './api-shapes.ts';

const ENDS = new Set(['run.succeeded', 'run.failed', 'run.stopped']);

export const endsRun = (type: string): boolean => ENDS.has(type);

/** The line as an event of this run, or null when it is none (cut, of another run, not JSON). */
export function parseStoredLine(line: string, runId: string): StoredEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const event = value as RunEvent;
  if (!Number.isSafeInteger(event.seq) || event.seq < 1 || typeof event.type !== 'string') return null;
  if (typeof event.run_id !== 'string' || event.run_id.toUpperCase() !== runId.toUpperCase()) return null;
  return { seq: event.seq, type: event.type, line, event };
}
