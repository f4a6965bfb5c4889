import type { Command, Decision } from '../commands.ts';
import type { DraftEvent, ParkReason } from '../events.ts';
import { evolve } from '../evolve.ts';
import { stillWaitsFor } from '../predicates.ts';
import type { Run } from '../run.ts';
import { append, nothing, refuse, refuseStopping, refuseUnlessHeld, unparked } from './answers.ts';
import { missingReceipt } from './receipts.ts';

type Of<T extends Command['type']> = Extract<Command, { type: T }>;

export function parkRun(command: Of<'ParkRun'>, run: Run): Decision {
  const { held_by, reason, detail, timer } = command;
  const repeated = run.waiting_on === reason && held_by.attempt === run.attempt;
  if (repeated) return nothing();
  const refusal = refuseUnlessHeld(run, held_by) ?? refuseStopping(run);
  if (refusal) return refusal;
  if (!stillWaitsFor(run, reason)) {
    return refuse('condition_already_met', `nothing is left to wait for: ${reason}`);
  }
  if (reason === 'retry' && !timer)
    return refuse('event_not_allowed', 'a run that waits for a retry has a timer');
  return append(parked(run, reason, detail, timer));
}

function parked(run: Run, reason: ParkReason, detail: string, timer: Of<'ParkRun'>['timer']): DraftEvent {
  const data = { dispatch: run.dispatch, reason, detail };
  return { type: 'run.parked', data: timer ? { ...data, timer } : data };
}

export function unparkRun(command: Of<'UnparkRun'>, run: Run): Decision {
  const { reason, by } = command;
  if (run.status === 'queued' && run.dispatch > 0) return nothing();
  const refusal = refuseStopping(run) ?? refuseUnlessWaiting(run, reason);
  if (refusal) return refusal;
  if (reason === 'children' && stillWaitsFor(run, reason)) {
    return refuse('children_live', 'children of the run have not ended');
  }
  if (
    (reason === 'approval' || reason === 'unknown_outcome' || reason === 'pause') &&
    stillWaitsFor(run, reason)
  ) {
    return refuse('event_not_allowed', `${reason} ends by its own answer`);
  }
  const { dispatch } = run;
  return append({ type: 'run.unparked', data: { reason, ...(by ? { by } : {}), dispatch: dispatch + 1 } });
}

function refuseUnlessWaiting(run: Run, reason: ParkReason): Decision | undefined {
  if (run.waiting_on === reason) return undefined;
  const state = run.waiting_on ? `waits for ${run.waiting_on}` : `is ${run.status}`;
  return refuse('run_not_waiting', `the run ${state}, not for ${reason}`);
}

export function scheduleRetry(command: Of<'ScheduleRetry'>, run: Run): Decision {
  const { held_by, error, timer } = command;
  if (run.waiting_on === 'retry' && run.timer?.timer_id === timer.timer_id) return nothing();
  const refusal = refuseUnlessHeld(run, held_by) ?? refuseStopping(run);
  if (refusal) return refusal;
  if (run.failed_attempts + 1 >= run.limits.max_attempts) {
    return refuse('limit_reached', `max_attempts is ${run.limits.max_attempts}, and the last has failed`);
  }
  return append(
    { type: 'retry.scheduled', data: { attempt: run.attempt, error, timer } },
    parked(run, 'retry', error.detail, timer),
  );
}

export function fireRetry(command: Of<'FireRetry'>, run: Run): Decision {
  if (run.waiting_on === 'retry' && run.timer?.timer_id === command.timer_id) {
    return append(unparked(run, 'retry'));
  }
  return refuse('timer_superseded', `the run does not wait for timer ${command.timer_id}`);
}

export function endChild(command: Of<'EndChild'>, run: Run): Decision {
  const { child_run_id, status, result, error } = command;
  const child = run.children.find((known) => known.child_run_id === child_run_id);
  if (!child) return refuse('child_unknown', `the run has no child ${child_run_id}`);
  if (child.status !== 'live') return nothing();
  const data = {
    child_run_id,
    status,
    ...(result === undefined ? {} : { result }),
    ...(error ? { error } : {}),
  };
  return satisfied(run, 'children', { type: 'child.ended', data });
}

export function decideApproval(command: Of<'DecideApproval'>, run: Run): Decision {
  const { approval_id, decision, by, channel, reason, scope } = command;
  const approval = run.approvals.find((known) => known.approval_id === approval_id);
  if (!approval) return refuse('approval_unknown', `the run has no approval ${approval_id}`);
  if (approval.state === decision && approval.decided_by === by.user_id) return nothing();
  if (approval.state !== 'open') {
    const winner =
      approval.state === 'expired' ? 'it expired' : `${approval.decided_by} said ${approval.state}`;
    return refuse('approval_already_decided', winner);
  }
  const data = { approval_id, decision, by, channel, reason, scope };
  return refuseStopping(run) ?? satisfied(run, 'approval', { type: 'approval.decided', data });
}

export function expireApproval(command: Of<'ExpireApproval'>, run: Run): Decision {
  const { approval_id } = command;
  const approval = run.approvals.find((known) => known.approval_id === approval_id);
  if (!approval) return refuse('approval_unknown', `the run has no approval ${approval_id}`);
  if (approval.state === 'expired') return nothing();
  if (approval.state !== 'open')
    return refuse('approval_already_decided', `it was decided: ${approval.state}`);
  return (
    refuseStopping(run) ?? satisfied(run, 'approval', { type: 'approval.expired', data: { approval_id } })
  );
}

export function resolveOutcome(command: Of<'ResolveOutcome'>, run: Run): Decision {
  const { call_id, by, choice, result } = command;
  const call = run.open_calls.find((known) => known.call_id === call_id);
  if (!call) return refuse('call_unknown', `no call ${call_id} is open`);
  if (call.state !== 'unknown')
    return refuse('outcome_not_unknown', `the outcome of ${call_id} is not in question`);
  const data = { call_id, by, choice, ...(result === undefined ? {} : { result }) };
  return refuseStopping(run) ?? satisfied(run, 'unknown_outcome', { type: 'outcome.resolved', data });
}

/**
 * The fact, and what it brings about if it was the last that was waited for: the run is queued again, or, when it is
 * stopping and nobody holds it, it has stopped.
 */
function satisfied(run: Run, reason: ParkReason, fact: DraftEvent): Decision {
  const after = evolve(run, { ...fact, seq: run.seq + 1, at: '', run_id: run.run_id, attempt: run.attempt });
  if (stillWaitsFor(after, reason)) return append(fact);
  if (run.waiting_on === reason) return append(fact, unparked(run, reason));
  if (reason === 'children' && run.status === 'stopping' && !run.holder && run.stop) {
    const by = { user_id: run.stop.by_user_id, channel: run.stop.by_channel };
    return append(fact, ...missingReceipt(run), {
      type: 'run.stopped',
      data: { by, reason: run.stop.reason },
    });
  }
  return append(fact);
}
