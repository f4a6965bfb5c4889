import { Poison } from './ids.ts';

/** The message on `work.<pool>.<tenant>.<run>`: which grant it stands for. */
export interface WorkMessage {
  dispatch: number;
}

export const encodeWork = (message: WorkMessage): string => JSON.stringify({ dispatch: message.dispatch });

export function decodeWork(payload: string): WorkMessage {
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch (cause) {
    throw new Poison('invalid_work', 'a work message is not JSON', { cause });
  }
  const dispatch = (value as { dispatch?: unknown } | null)?.dispatch;
  if (!Number.isSafeInteger(dispatch)) throw new Poison('invalid_work', 'a work message lacks its dispatch');
  return { dispatch: dispatch as number };
}

/** The pool of executors that a run goes to when nobody names another. */
export const DEFAULT_POOL = 'default';
