/** Key in bucket `admission` under which the runs that have a slot are kept: one literal subject, which is the fence. */
export const SLOTS_KEY = 'slots';

/** Messages that the broker keeps of that subject: the bucket's history. */
export const SLOTS_HISTORY = 64;

/**
 * A run that has a slot is stated again from this many commits on, the longest ago first. With the other half of the
 * history for those that did not fit, what is kept states every slot of up to MOST_RESTATED × 32 runs.
 */
export const RESTATE_AFTER = SLOTS_HISTORY / 2;

/** In one commit: a message has a size. */
export const MOST_RESTATED = 500;

/** One change of who has a slot. `number` counts the changes, without holes. */
export interface SlotsCommit<E extends { run_id: string }> {
  number: number;
  /** Runs that have a slot: new ones, and those that are stated again. */
  granted: E[];
  /** Run ids that have none any longer; applied before `granted`. */
  released: string[];
}

export function applySlots<E extends { run_id: string }>(
  slots: Map<string, E>,
  { granted, released }: Pick<SlotsCommit<E>, 'granted' | 'released'>,
): void {
  for (const runId of released) slots.delete(runId);
  for (const entry of granted) slots.set(entry.run_id, entry);
}
