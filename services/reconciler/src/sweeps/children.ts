import { liveChildren } from '@runledger/run';
import { settleChild } from './family.ts';
import type { Look, SweepKind } from './sweep.ts';

/**
 * Runs that have been told nothing for a while, though a child of theirs has ended, was erased, or was never created:
 * they would wait for ever. `told`: they know it now, and go on. `waiting`: their children are at work.
 */
export const childrenSweep: SweepKind = {
  name: 'children',
  what: 'runs that wait for children that are over',
  statuses: ['waiting', 'running'],
  effects: ['told'],
  examine,
};

async function examine({ parts, address, suspect, say }: Look): Promise<string> {
  // Most runs that wait, wait for something else: their view is enough to leave them alone.
  if (suspect.status === 'waiting') {
    const view = await parts.store.get(address.tenant_id, address.run_id);
    if (view?.waiting_on !== 'children') return 'other';
  }
  const { run } = await parts.runLog.load(address);
  if (run.status !== 'waiting' && run.status !== 'running') return 'advanced';
  const told: string[] = [];
  for (const child of liveChildren(run))
    if ((await settleChild(parts, run, child, undefined)) === 'told') told.push(child.child_run_id);
  if (told.length === 0) return liveChildren(run).length > 0 ? 'waiting' : 'other';
  say('warn', 'told', { children: told, status: run.status }, 'a run was told of the end of its children');
  return 'told';
}
