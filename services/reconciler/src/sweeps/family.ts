/** Brings a parent and one of its children together again, where what should have followed by itself did not. */
import {
  absentChild,
  childErased,
  isEnded,
  type Actor,
  type Child,
  type Command,
  type EventData,
  type Json,
  type Run,
  type RunError,
  type StopMode,
} from '@runledger/run';
import { RunErased, type RunAddress, type RunLog } from '@runledger/run-log';
import { decodeEvent } from '@runledger/wire';
import { changed, type SweepParts } from './sweep.ts';

/** `told`: the parent knows the child's end now. `stopped`: the child was asked to stop. `open`: the child is at work. */
export type Settled = 'told' | 'stopped' | 'open';

type End = Pick<Extract<Command, { type: 'EndChild' }>, 'status' | 'result' | 'error'>;

export interface FamilyStop {
  by: Actor;
  mode: StopMode;
  reason: string;
}

/**
 * `stop` is what a child that is open is asked for; undefined: it is left at its work. A child that was never created
 * is created as stopped, so that its creation, should it still come, is refused, and its parent can go on.
 */
export async function settleChild(
  parts: Pick<SweepParts, 'runLog'>,
  parent: Run,
  child: Child,
  stop: FamilyStop | undefined,
): Promise<Settled> {
  const address = { tenant_id: parent.tenant_id, run_id: child.child_run_id };
  const end = await endOf(parts, parent, address, stop);
  if (end) {
    const told = await changed(parts, { ...address, run_id: parent.run_id }, () => ({
      type: 'EndChild',
      child_run_id: child.child_run_id,
      ...end,
    }));
    return told ? 'told' : 'open';
  }
  if (!stop) return 'open';
  const asked = await changed(parts, address, () => ({
    type: 'RequestStop',
    ...stop,
    cascade_from: parent.run_id,
  }));
  return asked ? 'stopped' : 'open';
}

/** Undefined: the child has not ended. */
async function endOf(
  parts: Pick<SweepParts, 'runLog'>,
  parent: Run,
  address: RunAddress,
  stop: FamilyStop | undefined,
): Promise<End | undefined> {
  try {
    const { run } = await parts.runLog.load(address);
    if (isEnded(run)) return await recordedEnd(parts.runLog, address);
    if (run.status !== 'none') return undefined;
    if (await parts.runLog.isErased(address)) return erased(address);
    // Whoever holds the parent may be about to create it.
    if (parent.status === 'running') return undefined;
    return await stopAbsent(parts, parent, address, stop);
  } catch (error) {
    if (error instanceof RunErased) return erased(address);
    throw error;
  }
}

const erased = ({ run_id }: RunAddress): End => ({ status: 'error', error: childErased(run_id) });

async function stopAbsent(
  parts: Pick<SweepParts, 'runLog'>,
  parent: Run,
  address: RunAddress,
  stop: FamilyStop | undefined,
): Promise<End | undefined> {
  const input = await inputOf(parts.runLog, { ...address, run_id: parent.run_id }, address.run_id);
  const { by, mode, reason } = stop ?? {
    by: { user_id: parent.user_id, channel: 'agent' as const },
    mode: 'cooperative' as const,
    reason: 'it was on record with the calling run and was never created',
  };
  const { run } = await parts.runLog.execute(address, () => ({
    type: 'StopAbsentChild',
    request: absentChild(parent, address.run_id, input),
    by,
    mode,
    reason,
    cascade_from: parent.run_id,
  }));
  return run.status === 'stopped' ? { status: 'stopped' } : undefined;
}

/** An ended run's last event is its end. */
async function recordedEnd(runLog: Pick<RunLog, 'page'>, address: RunAddress): Promise<End | undefined> {
  const { last_seq } = await runLog.page(address, 0, 0);
  const last = (await runLog.page(address, last_seq - 1, 1)).lines[0];
  if (last?.type === 'run.succeeded') return { status: 'success', result: dataOf(last.line).result as Json };
  if (last?.type === 'run.failed') return { status: 'error', error: dataOf(last.line).error as RunError };
  return last?.type === 'run.stopped' ? { status: 'stopped' } : undefined;
}

const dataOf = (line: string): { result?: Json; error?: RunError } =>
  decodeEvent(line).data as { result?: Json; error?: RunError };

const PAGE = 1_000;

async function inputOf(runLog: Pick<RunLog, 'page'>, parent: RunAddress, childId: string): Promise<Json> {
  for (let after = 0; ;) {
    const { lines, last_seq } = await runLog.page(parent, after, PAGE);
    for (const { type, line } of lines) {
      if (type !== 'child.spawned') continue;
      const spawned = decodeEvent(line).data as EventData['child.spawned'];
      if (spawned.child_run_id === childId) return spawned.input;
    }
    after += lines.length;
    if (lines.length === 0 || after >= last_seq) return null;
  }
}
