import type { Command, Decision } from '../commands.ts';
import type { DraftEvent, Limits } from '../events.ts';
import { limitAfterRaise, liveChildren } from '../predicates.ts';
import type { Run } from '../run.ts';
import { missingReceipt, receiptOfUnheld } from './receipts.ts';
import { append, nothing, refuse, refuseStopping, refuseUnlessHeld, unparked } from './answers.ts';

type Of<T extends Command['type']> = Extract<Command, { type: T }>;

export function requestStop(command: Of<'RequestStop'>, run: Run): Decision {
  const { by, mode, reason, cascade_from } = command;
  const requested: DraftEvent = {
    type: 'stop.requested',
    data: { by, mode, reason, ...(cascade_from === undefined ? {} : { cascade_from }) },
  };
  if (run.status === 'stopping') {
    return mode === 'kill' && run.stop?.mode === 'cooperative' ? append(requested) : nothing();
  }
  if (run.status === 'running') return append(requested);
  const receipt = receiptOfUnheld(run);
  if (liveChildren(run).length > 0) return append(requested, receipt);
  return append(requested, receipt, { type: 'run.stopped', data: { by, reason } });
}

export function observeStop(command: Of<'ObserveStop'>, run: Run): Decision {
  const { boundary, in_flight, latency_ms } = command;
  const refusal = refuseUnlessHeld(run, command.held_by) ?? refuseUnlessStopping(run);
  if (refusal) return refusal;
  if (run.stop_observed) return nothing();
  return append({ type: 'stop.observed', data: { boundary, in_flight, latency_ms } });
}

export function finishStop(command: Of<'FinishStop'>, run: Run): Decision {
  const refusal = refuseUnlessStopping(run) ?? refuseOthers(command, run);
  if (refusal) return refusal;
  const live = liveChildren(run);
  if (live.length > 0) {
    const ids = live.slice(0, 3).map((child) => child.child_run_id);
    return refuse('children_live', `${live.length} children have not ended: ${ids.join(', ')}`);
  }
  if (run.holder && !run.stop_observed)
    return refuse('event_not_allowed', 'the stop has not been observed: the receipt comes before the end');
  return append(...missingReceipt(run), {
    type: 'run.stopped',
    data: { by: command.by, reason: command.reason },
  });
}

function refuseUnlessStopping(run: Run): Decision | undefined {
  return run.status === 'stopping' ? undefined : refuse('event_not_allowed', 'no stop has been requested');
}

function refuseOthers(command: Of<'FinishStop'>, run: Run): Decision | undefined {
  if (command.held_by) return refuseUnlessHeld(run, command.held_by);
  return run.holder
    ? refuse('not_the_holder', `${run.holder.executor} holds the run and ends it`)
    : undefined;
}

export function sendNudge(command: Of<'SendNudge'>, run: Run): Decision {
  const { nudge_id, by, message } = command;
  if (run.nudges.some((nudge) => nudge.nudge_id === nudge_id)) return nothing();
  return refuseStopping(run) ?? append({ type: 'nudge.received', data: { nudge_id, by, message } });
}

export function pauseRun(command: Of<'PauseRun'>, run: Run): Decision {
  if (run.pause_requested) return nothing();
  if (run.status !== 'running') {
    return refuseStopping(run) ?? refuse('run_not_running', `a run that is ${run.status} cannot be paused`);
  }
  return append({ type: 'pause.requested', data: { by: command.by, reason: command.reason } });
}

export function resumeRun(command: Of<'ResumeRun'>, run: Run): Decision {
  if (run.status === 'stopping') return refuse('run_stopping', 'the run is stopping');
  if (!run.pause_requested) return nothing();
  const resumed: DraftEvent = { type: 'resume.requested', data: { by: command.by } };
  return run.waiting_on === 'pause' ? append(resumed, unparked(run, 'pause')) : append(resumed);
}

function notRaised(name: keyof Limits, run: Run): string {
  return run.limits[name] === null
    ? `the run has no ${name} that could be raised`
    : `${name} would be lower than it is`;
}

export function raiseLimits(command: Of<'RaiseLimits'>, run: Run): Decision {
  const refusal = refuseStopping(run);
  if (refusal) return refusal;
  const wanted = Object.entries(command.limits) as [keyof Limits, Limits[keyof Limits]][];
  const lowered = wanted.find(([name, value]) => amount(value) < amount(run.limits[name]));
  if (lowered) return refuse('limit_not_raised', notRaised(lowered[0], run));
  const raised = wanted.filter(([name, value]) => amount(value) > amount(run.limits[name]));
  if (raised.length === 0) {
    return run.waiting_on === 'budget' ? refuse('limit_not_raised', 'every limit is as it was') : nothing();
  }
  const limits: Partial<Limits> = Object.fromEntries(raised);
  const events: DraftEvent[] = [{ type: 'limits.raised', data: { by: command.by, limits } }];
  if (run.waiting_on === 'budget' && limitAfterRaise(run, limits) === null)
    events.push(unparked(run, 'budget'));
  return append(...events);
}

/** Unlimited is above every number; what is no number is not above anything. */
function amount(value: number | string | null): number {
  if (value === null) return Infinity;
  const number = typeof value === 'number' ? value : Number.parseFloat(value);
  return Number.isNaN(number) ? -Infinity : number;
}
