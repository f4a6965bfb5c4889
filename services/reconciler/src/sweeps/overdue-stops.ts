import { liveChildren, type Run } from '@runledger/run';
import { settleChild, type FamilyStop } from './family.ts';
import { changed, type Look, type SweepKind } from './sweep.ts';

export interface StopTimes {
  /** How long a stop is left to itself. */
  afterMs: number;
  /** How long its holder has to observe it; 0: for ever. */
  graceMs: number;
}

/**
 * Stops that do not get on. `pushed`: a child that the stop had not reached was asked, or the end of one was told.
 * `finished`: nobody holds the run and all below it has ended. `escalated`: its holder had not observed the stop within
 * the grace, and is asked to kill. `stuck`: not even that was observed, or the end does not come after it. `held`: its
 * holder has time yet. `open`: runs below it are still stopping.
 */
export const overdueStops = (times: StopTimes): SweepKind => ({
  name: 'overdue_stops',
  what: 'stops that do not get on',
  statuses: ['stopping'],
  effects: ['pushed', 'finished', 'escalated', 'stuck'],
  examine: (look) => examine(look, times),
});

async function examine(look: Look, { afterMs, graceMs }: StopTimes): Promise<string> {
  const { parts, address, now, say } = look;
  const { run } = await parts.runLog.load(address);
  if (run.status !== 'stopping' || !run.stop) return 'advanced';
  if (now - Date.parse(run.stop.requested_at) < afterMs) return 'held';
  if (await pushChildren(look, run, stopOf(run.stop))) return 'pushed';
  if (liveChildren(run).length > 0 && (!run.holder || run.stop_observed)) return 'open';
  if (!run.holder) {
    const { by, reason } = stopOf(run.stop);
    if (!(await changed(parts, address, () => ({ type: 'FinishStop', by, reason })))) return 'advanced';
    say('warn', 'finished', {}, 'a stop that nobody held is finished');
    return 'finished';
  }
  return pressHolder(look, run, run.stop, graceMs);
}

type Stop = NonNullable<Run['stop']>;

const stopOf = ({ by_user_id, by_channel, mode, reason }: Stop): FamilyStop => ({
  by: { user_id: by_user_id, channel: by_channel },
  mode,
  reason,
});

async function pushChildren({ parts, say }: Look, run: Run, stop: FamilyStop): Promise<boolean> {
  const pushed: string[] = [];
  for (const child of liveChildren(run))
    if ((await settleChild(parts, run, child, stop)) !== 'open') pushed.push(child.child_run_id);
  if (pushed.length === 0) return false;
  say(
    'warn',
    'pushed',
    { children: pushed },
    'a stop had not reached all children, or not heard of their end',
  );
  return true;
}

/** Cooperative first, bounded always: a holder that comes to no boundary within the grace is asked to kill. */
async function pressHolder(
  { parts, address, now, say }: Look,
  run: Run,
  stop: Stop,
  graceMs: number,
): Promise<string> {
  const overdueMs = now - Date.parse(stop.requested_at) - graceMs;
  if (graceMs === 0 || !(overdueMs > 0)) return 'held';
  const fields = { executor: run.holder?.executor, mode: stop.mode, overdue_ms: overdueMs };
  if (stop.mode === 'kill' || run.stop_observed) {
    if (overdueMs < graceMs) return 'held';
    say(
      'warn',
      'stuck',
      { ...fields, observed: run.stop_observed !== null },
      'a stop does not come to its end',
    );
    return 'stuck';
  }
  const escalated = await changed(parts, address, (now) => ({
    type: 'RequestStop',
    by: stopOf(stop).by,
    // Observed meanwhile: it is stopping by itself, and a repeat of what was asked changes nothing.
    mode: now.stop_observed ? 'cooperative' : 'kill',
    reason: stop.reason,
  }));
  if (!escalated) return 'advanced';
  say('warn', 'escalated', fields, 'a stop was not observed within its grace: the run is to be killed');
  return 'escalated';
}
