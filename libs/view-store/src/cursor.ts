import { isId } from '@runledger/wire';
import { InvalidCursor } from './port.ts';

const PREFIX = 'runs/1/';

/** A cursor is the last run id that a page has dealt with; the page after it holds older ones. */
export const encodeCursor = (runId: string): string => Buffer.from(PREFIX + runId).toString('base64url');

export function decodeCursor(cursor: string): string {
  const text = cursor.length <= 64 ? Buffer.from(cursor, 'base64url').toString() : '';
  const runId = text.slice(PREFIX.length);
  if (!text.startsWith(PREFIX) || !isId('run_id', runId) || encodeCursor(runId) !== cursor)
    throw new InvalidCursor('the cursor is not one that a list of runs has answered');
  return runId;
}
