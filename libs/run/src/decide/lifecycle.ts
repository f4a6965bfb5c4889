import { checkpoint, RUN_STATE_VERSION } from '../checkpoint.ts';
import type { Command, Decision } from '../commands.ts';
import { executorLost, MAX_LOST_IN_A_ROW } from '../end-errors.ts';
import type { DraftEvent } from '../events.ts';
import type { Run } from '../run.ts';
import { unheldReceipt } from './receipts.ts';
import { append, nothing, refuse, refuseStopping, refuseUnlessHeld } from './answers.ts';

type Of<T extends Command['type']> = Extract<Command, { type: T }>;

/** Only for a run that does not exist yet. */
export function startRun(command: Of<'StartRun'>): Decision {
  return append({ type: 'run.requested', data: command.request });
}

export function stopAbsentChild(command: Of<'StopAbsentChild'>): Decision {
  const { request, by, mode, reason, cascade_from } = command;
  return append(
    { type: 'run.requested', data: request },
    { type: 'stop.requested', data: { by, mode, reason, cascade_from } },
    unheldReceipt('absent'),
    { type: 'run.stopped', data: { by, reason } },
  );
}

export function beginAttempt(command: Of<'BeginAttempt'>, run: Run): Decision {
  const { dispatch, work_seq, delivery, executor } = command;
  if (dispatch < Math.max(1, run.dispatch)) {
    return refuse('stale_dispatch', `dispatch ${dispatch} is over, the run is at ${run.dispatch}`);
  }
  if (run.status === 'queued') return append(started(command, run));
  if (run.status === 'waiting') {
    return dispatch === run.dispatch
      ? refuse('stale_dispatch', `dispatch ${dispatch} ended when the run was parked`)
      : refuse('run_not_running', 'the run is waiting and has not been queued again');
  }
  const { holder } = run;
  if (!holder) return refuse('run_stopping', 'the run is stopping and nobody has to hold it');
  const sameMessage = dispatch === holder.dispatch && work_seq === holder.work_seq;
  if (sameMessage && delivery === holder.delivery && executor === holder.executor) return nothing();
  if ((sameMessage && delivery <= holder.delivery) || (dispatch === holder.dispatch && !command.lost)) {
    return refuse('not_the_holder', `the run is held by ${holder.executor} in attempt ${holder.attempt}`);
  }
  return takeOver(command, run, holder.executor);
}

function takeOver(command: Of<'BeginAttempt'>, run: Run, executor: string): Decision {
  const lost: DraftEvent = {
    type: 'attempt.lost',
    data: { attempt: run.attempt, executor, reason: command.lost ?? 'unreachable' },
  };
  const lostInARow = run.lost_in_a_row + 1;
  if (lostInARow >= MAX_LOST_IN_A_ROW) {
    return append(lost, { type: 'run.failed', data: { error: executorLost(lostInARow) } });
  }
  return append(lost, started(command, run));
}

function started(command: Of<'BeginAttempt'>, run: Run): DraftEvent {
  const { dispatch, work_seq, delivery, executor, pool, engine } = command;
  return {
    type: 'run.started',
    data: { attempt: run.attempt + 1, dispatch, work_seq, delivery, executor, pool, engine },
  };
}

export function succeedRun(command: Of<'SucceedRun'>, run: Run): Decision {
  const { result, schema_warnings } = command;
  return (
    refuseUnlessHeld(run, command.held_by) ??
    refuseOwnEnd(run) ??
    append({ type: 'run.succeeded', data: { result, schema_warnings } })
  );
}

export function failRun(command: Of<'FailRun'>, run: Run): Decision {
  const failed: DraftEvent = { type: 'run.failed', data: { error: command.error } };
  if (command.held_by) return refuseUnlessHeld(run, command.held_by) ?? refuseOwnEnd(run) ?? append(failed);
  if (run.status === 'running') return refuse('not_the_holder', 'a running run is ended by who holds it');
  return refuseStopping(run) ?? append(failed);
}

/** An agent that ends before its next boundary ends as it says, even while a stop is on its way; after the receipt it has stopped. */
function refuseOwnEnd(run: Run): Decision | undefined {
  return run.stop_observed
    ? refuse('run_stopping', 'the stop has been observed: the run ends as stopped')
    : undefined;
}

export function checkpointRun(command: Of<'CheckpointRun'>, run: Run): Decision {
  const refusal = refuseUnlessHeld(run, command.held_by);
  if (refusal) return refusal;
  if (run.checkpoint_seq === run.seq) return nothing();
  const state = checkpoint(run);
  if (state === undefined) return nothing();
  return append({ type: 'run.checkpointed', data: { state, version: RUN_STATE_VERSION } });
}
