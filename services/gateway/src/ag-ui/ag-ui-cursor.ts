import { type FieldFault, Problem } from '../problem/problem.ts';

/**
 * Where a reader of an AG-UI stream is. One stored event becomes several frames; the last of them has the event's number
 * as its id, the k-th before it `<seq>.<k>`. `part` is the number of frames of event `seq` that were seen; absent: all.
 */
export interface AgUiCursor {
  seq: number;
  part?: number;
}

export function agUiCursorOf(text: string, place: Pick<FieldFault, 'in' | 'pointer'>): AgUiCursor {
  const [, seq, part] = /^(\d{1,15})(?:\.([1-9]\d{0,5}))?$/.exec(text) ?? [];
  if (seq !== undefined) return { seq: Number(seq), ...(part === undefined ? {} : { part: Number(part) }) };
  throw new Problem('invalid_cursor', 'A cursor is the id of a frame: the number of an event, or 12.3.', {
    errors: [{ ...place, detail: 'must be a whole number, or two with a point between them' }],
  });
}

/** The header goes before the query, which a browser's first address still holds. */
export function agUiCursorOfRequest(
  lastEventId: string | string[] | undefined,
  after: string | undefined,
): AgUiCursor | undefined {
  if (lastEventId !== undefined)
    return agUiCursorOf(String(lastEventId), { in: 'header', pointer: '/last-event-id' });
  return after === undefined ? undefined : agUiCursorOf(after, { in: 'query', pointer: '/after' });
}
