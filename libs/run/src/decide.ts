import type { Command, Decision } from './commands.ts';
import { refuse } from './decide/answers.ts';
import * as control from './decide/control.ts';
import * as lifecycle from './decide/lifecycle.ts';
import { recordProgress } from './decide/progress.ts';
import * as waiting from './decide/waiting.ts';
import { isEnded } from './predicates.ts';
import type { Run } from './run.ts';

/**
 * What a command comes to on a run as it is: events to append together, none when it is already so, or a refusal.
 * Never throws.
 */
export function decide(command: Command, run: Run): Decision {
  if (command.type === 'StartRun' || command.type === 'StopAbsentChild') {
    if (run.status !== 'none') return refuse('run_already_exists', `the run is ${run.status}`);
    return command.type === 'StartRun' ? lifecycle.startRun(command) : lifecycle.stopAbsentChild(command);
  }
  if (run.status === 'none') return refuse('run_not_found', 'there is no such run');
  if (isEnded(run)) return refuse('run_already_ended', `the run has ended: ${run.status}`);
  return decideOpen(command, run);
}

type OfOpenRun = Exclude<Command, { type: 'StartRun' | 'StopAbsentChild' }>;

function decideOpen(command: OfOpenRun, run: Run): Decision {
  switch (command.type) {
    case 'BeginAttempt':
      return lifecycle.beginAttempt(command, run);
    case 'SucceedRun':
      return lifecycle.succeedRun(command, run);
    case 'FailRun':
      return lifecycle.failRun(command, run);
    case 'CheckpointRun':
      return lifecycle.checkpointRun(command, run);
    case 'RecordProgress':
      return recordProgress(command, run);
    case 'RequestStop':
      return control.requestStop(command, run);
    case 'ObserveStop':
      return control.observeStop(command, run);
    case 'FinishStop':
      return control.finishStop(command, run);
    case 'SendNudge':
      return control.sendNudge(command, run);
    case 'PauseRun':
      return control.pauseRun(command, run);
    case 'ResumeRun':
      return control.resumeRun(command, run);
    case 'RaiseLimits':
      return control.raiseLimits(command, run);
    default:
      return decideWait(command, run);
  }
}

type OfWaiting = Extract<
  OfOpenRun,
  {
    type:
      | `${'Park' | 'Unpark'}Run`
      | `${'Schedule' | 'Fire'}Retry`
      | 'EndChild'
      | `${'Decide' | 'Expire'}Approval`
      | 'ResolveOutcome';
  }
>;

function decideWait(command: OfWaiting, run: Run): Decision {
  switch (command.type) {
    case 'ParkRun':
      return waiting.parkRun(command, run);
    case 'UnparkRun':
      return waiting.unparkRun(command, run);
    case 'ScheduleRetry':
      return waiting.scheduleRetry(command, run);
    case 'FireRetry':
      return waiting.fireRetry(command, run);
    case 'EndChild':
      return waiting.endChild(command, run);
    case 'DecideApproval':
      return waiting.decideApproval(command, run);
    case 'ExpireApproval':
      return waiting.expireApproval(command, run);
    case 'ResolveOutcome':
      return waiting.resolveOutcome(command, run);
  }
}
