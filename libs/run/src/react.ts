import type { Command, Reaction } from './commands.ts';
import { isReadable } from './event-shapes.ts';
import type { EventOf, RunEvent } from './events.ts';
import { secondsAfter } from './instant.ts';
import { liveChildren } from './predicates.ts';
import type { Run } from './run.ts';

/**
 * What follows elsewhere from one event. `run` is the state after it, or after its commit. The same event always has
 * the same consequences, with the same ids, so whoever is unsure may repeat them.
 */
export function react(event: RunEvent, run: Run): Reaction[] {
  if (!isReadable(event.type, event.data)) return [];
  switch (event.type) {
    case 'run.requested':
      return [
        ...(run.status === 'queued' ? [admission(run, 1)] : []),
        ...deadline(event.seq, event.data.limits.timeout_s, run),
      ];
    case 'run.unparked':
      return [
        event.data.reason === 'handover'
          ? { type: 'dispatch', run_id: run.run_id, dispatch: event.data.dispatch }
          : admission(run, event.data.dispatch),
      ];
    case 'run.parked':
      return afterPark(event, run);
    case 'retry.scheduled':
      return [{ type: 'set_timer', kind: 'retry', run_id: run.run_id, ...event.data.timer }];
    case 'approval.requested': {
      const { approval_id, due_at } = event.data;
      return [{ type: 'set_timer', kind: 'approval', run_id: run.run_id, timer_id: approval_id, due_at }];
    }
    case 'limits.raised':
      return deadline(event.seq, event.data.limits.timeout_s, run);
    case 'stop.requested':
      return stopChildren(event, run);
    case 'run.succeeded':
      return afterEnd(run, { status: 'success', result: event.data.result });
    case 'run.failed':
      return afterEnd(run, { status: 'error', error: event.data.error });
    case 'run.stopped':
      return afterEnd(run, { status: 'stopped' });
    default:
      return [];
  }
}

function admission(run: Run, dispatch: number): Reaction {
  return { type: 'admit', run_id: run.run_id, dispatch };
}

/** Counted from the request, whatever raised it since. */
function deadline(seq: number, timeout_s: number | null | undefined, run: Run): Reaction[] {
  if (timeout_s === null || timeout_s === undefined) return [];
  const due_at = secondsAfter(run.requested_at, timeout_s);
  if (due_at === undefined) return [];
  return [{ type: 'set_timer', kind: 'deadline', run_id: run.run_id, timer_id: `deadline-${seq}`, due_at }];
}

function afterPark({ data }: EventOf<'run.parked'>, run: Run): Reaction[] {
  const { run_id } = run;
  if (data.reason === 'handover') {
    return [{ type: 'command', run_id, command: { type: 'UnparkRun', reason: 'handover' } }];
  }
  const released: Reaction = { type: 'release', run_id };
  if (!data.timer) return [released];
  const kind = data.reason === 'approval' ? 'approval' : 'retry';
  return [released, { type: 'set_timer', kind, run_id, ...data.timer }];
}

function stopChildren({ data }: EventOf<'stop.requested'>, run: Run): Reaction[] {
  const { by, mode, reason } = data;
  return liveChildren(run).map(({ child_run_id }) => ({
    type: 'stop_child',
    run_id: child_run_id,
    by,
    mode,
    reason,
    cascade_from: run.run_id,
  }));
}

type End = Pick<Extract<Command, { type: 'EndChild' }>, 'status' | 'result' | 'error'>;

function afterEnd(run: Run, end: End): Reaction[] {
  const released: Reaction = { type: 'release', run_id: run.run_id };
  if (!run.parent) return [released];
  const command: Command = { type: 'EndChild', child_run_id: run.run_id, ...end };
  return [released, { type: 'command', run_id: run.parent.run_id, command }];
}
