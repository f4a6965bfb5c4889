import type { DraftEvent } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import type { Cell } from './cell.ts';

/** An executor that began a run, recorded something, and is gone: nobody answers for it. */
export async function recordAsGhost(
  cell: Cell,
  address: RunAddress,
  engine: string,
  events: DraftEvent[],
): Promise<void> {
  const begun = await cell.log.execute(address, () => ({
    type: 'BeginAttempt',
    dispatch: 1,
    work_seq: 0,
    delivery: 1,
    executor: 'ghost',
    pool: cell.pool,
    engine,
  }));
  if (begun.refusal) throw new Error(begun.refusal.detail);
  const held = await cell.log.hold(address, begun);
  const refusal = await held.record(events);
  if (refusal) throw new Error(refusal.detail);
  await held.release();
}
