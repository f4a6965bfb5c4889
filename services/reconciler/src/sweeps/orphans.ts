import { isEnded } from '@runledger/run';
import { RunErased, type RunAddress } from '@runledger/run-log';
import { changed, type Look, type SweepKind, type SweepParts } from './sweep.ts';

const OVER = new Set(['success', 'error', 'stopped']);

/**
 * Children whose parent has ended and does not wait for them any more: they are stopped, as the tree would be.
 * `stopped`: it was asked to stop. `wanted`: its parent is open. `root`: it has no parent. `fresh`: its parent has ended a
 * moment ago.
 */
export function orphansSweep(graceMs: number): SweepKind {
  return {
    name: 'orphans',
    what: 'children whose parent has ended',
    statuses: ['queued', 'running', 'waiting'],
    effects: ['stopped'],
    examine: (look) => examine(look, graceMs),
  };
}

async function examine({ parts, address, suspect, now, say }: Look, graceMs: number): Promise<string> {
  if (suspect.parent_run_id === null) return 'root';
  const parent = { ...address, run_id: suspect.parent_run_id };
  const view = await parts.store.get(parent.tenant_id, parent.run_id);
  if (view && !OVER.has(view.status)) return 'wanted';
  const end = await endOf(parts, parent);
  if (!end) return 'wanted';
  if (end.at !== undefined && now - Date.parse(end.at) < graceMs) return 'fresh';
  const { run } = await parts.runLog.load(address);
  const stopped = await changed(parts, address, () => ({
    type: 'RequestStop',
    by: { user_id: run.user_id, channel: 'agent' },
    mode: 'cooperative',
    reason: `the run that called it has ended: ${end.how}`,
    cascade_from: parent.run_id,
  }));
  if (!stopped) return 'advanced';
  say('warn', 'stopped', { parent_run_id: parent.run_id, parent_status: end.how }, 'an orphan is stopped');
  return 'stopped';
}

/** How and when the parent ended; undefined: it has not. */
async function endOf(
  { runLog }: SweepParts,
  parent: RunAddress,
): Promise<{ how: string; at?: string } | undefined> {
  try {
    const { run } = await runLog.load(parent);
    if (isEnded(run)) return { how: run.status, ...(run.ended_at !== null && { at: run.ended_at }) };
    return run.status === 'none' && (await runLog.isErased(parent)) ? { how: 'erased' } : undefined;
  } catch (error) {
    if (error instanceof RunErased) return { how: 'erased' };
    throw error;
  }
}
