import type { HeldBy } from './commands.ts';
import { END_EVENTS } from './events.ts';
import type { Limits, ParkReason } from './events.ts';
import type { Child, Run } from './run.ts';

export function isEnded(run: Run): boolean {
  return run.status === 'success' || run.status === 'error' || run.status === 'stopped';
}

const endTypes: ReadonlySet<string> = new Set(END_EVENTS);

/** Whether an event of this type is a run's last. */
export function isEndType(type: string): boolean {
  return endTypes.has(type);
}

/** Whether `heldBy` is the executor and attempt of the run's latest start, and the run is still in its hands. */
export function holds(run: Run, heldBy: HeldBy): boolean {
  return run.holder?.executor === heldBy.executor && run.holder.attempt === heldBy.attempt;
}

export function liveChildren(run: Run): Child[] {
  return run.children.filter((child) => child.status === 'live');
}

/**
 * Whether what a run parks for is still to come. Children, approvals and unknown outcomes are waited for together:
 * the last one brings the run back. Retry and handover wait for the scheduler alone.
 */
export function stillWaitsFor(run: Run, reason: ParkReason): boolean {
  switch (reason) {
    case 'children':
      return run.children.some((child) => child.status === 'live');
    case 'approval':
      return run.approvals.some((approval) => approval.state === 'open');
    case 'unknown_outcome':
      return run.open_calls.some((call) => call.state === 'unknown');
    case 'budget':
      return run.limit_reached !== null;
    case 'pause':
      return run.pause_requested;
    case 'retry':
    case 'handover':
      return true;
  }
}

/** The limit that a run is still stuck at after a raise. One that is none of its own (its tree's, say) is lifted by any raise. */
export function limitAfterRaise(run: Run, raised: Partial<Limits>): string | null {
  const stuck = run.limit_reached;
  return stuck !== null && Object.hasOwn(run.limits, stuck) && !Object.hasOwn(raised, stuck) ? stuck : null;
}
