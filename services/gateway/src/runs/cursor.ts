import { type FieldFault, Problem } from '../problem/problem.ts';

/** A cursor as text: a whole number, nothing else. */
export function cursorOf(text: string, place: Pick<FieldFault, 'in' | 'pointer'>): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Problem('invalid_cursor', 'A cursor is the number of an event.', {
    errors: [{ ...place, detail: 'must be a whole number' }],
  });
}

/** `lastSeq` is the leader's, so that an event which was just seen is never refused. */
export function refuseCursorBeyond(after: number, lastSeq: number): void {
  if (after > lastSeq)
    throw new Problem('invalid_cursor', `The run has ${lastSeq} events; there is none numbered ${after}.`, {
      errors: [{ in: 'query', pointer: '/after', detail: "beyond the run's last event" }],
    });
}
