import { AgentFailed, AgentStopped, type JsonValue } from '@runledger/harness';
import type { Command, HeldBy, RunError } from '@runledger/run';
import { HoldLost, type HeldRun } from '@runledger/run-log';
import type { Gate } from '../boundary/gate.ts';
import { Handover, OutcomeUnknown, Parked } from '../boundary/interruptions.ts';
import type { Inbox } from './inbox.ts';
import { retryTimer } from './retry-policy.ts';

interface Hold {
  held: HeldRun;
  heldBy: HeldBy;
  gate: Gate;
  inbox: Inbox;
  /** Lets another run be taken up in this one's place. */
  freeSlot: () => void;
}

/** How an agent's run in this process came to its end. */
export type Ending = { result: JsonValue; warnings: string[] } | { error: unknown };

/**
 * Appends the end of an attempt, whatever it was: success, failure, stop or park. True when it is on disk, so that
 * the work message may be acked. Rejects with HoldLost when another executor has the run.
 */
export async function appendEnd(hold: Hold, ending: Ending): Promise<boolean> {
  const { held, heldBy, gate } = hold;
  await gate.parking.deciding;
  if (gate.parking.parked) return true;
  if ('error' in ending && ending.error instanceof AgentStopped)
    return finishStop(hold, ending.error.boundary);
  const refusal = await held.submit(commandFor(held, heldBy, ending));
  if (!refusal) return true;
  // A stop that has been observed, or that landed before the park, ends the run as stopped.
  if (gate.stopping) return finishStop(hold, 'end');
  return refusal.code === 'run_already_ended';
}

/**
 * A run that stops waits for its children's ends: only then has all of it stopped. It does so without a slot: the
 * children may need every slot there is to stop.
 */
async function finishStop({ held, heldBy, gate, inbox, freeSlot }: Hold, boundary: string): Promise<boolean> {
  await gate.observeStop(boundary);
  freeSlot();
  if (!(await inbox.whenNoChildLives(gate.leaving))) return false;
  const refusal = await held.submit({ type: 'FinishStop', held_by: heldBy, ...gate.stopOrder });
  return !refusal;
}

function commandFor(held: HeldRun, heldBy: HeldBy, ending: Ending): Command {
  if ('result' in ending)
    return { type: 'SucceedRun', held_by: heldBy, result: ending.result, schema_warnings: ending.warnings };
  const { error } = ending;
  if (error instanceof Handover)
    return { type: 'ParkRun', held_by: heldBy, reason: 'handover', detail: 'the executor is shutting down' };
  if (error instanceof OutcomeUnknown)
    return { type: 'ParkRun', held_by: heldBy, reason: 'unknown_outcome', detail: error.message };
  const failure = runError(error);
  const timer = retryTimer(held.run, failure, error);
  if (!timer) return { type: 'FailRun', held_by: heldBy, error: failure };
  const { code, detail } = failure;
  return { type: 'ScheduleRetry', held_by: heldBy, error: { code, detail }, timer };
}

/** Whether an error is the attempt's end; anything else is trouble of this process, and another attempt's work. */
export function endsAttempt(error: unknown): boolean {
  return (
    error instanceof AgentFailed ||
    error instanceof AgentStopped ||
    error instanceof Handover ||
    error instanceof OutcomeUnknown ||
    error instanceof Parked ||
    error instanceof HoldLost
  );
}

export function runError(error: unknown): RunError {
  if (error instanceof AgentFailed) {
    return { ...error.failure, detail: error.failure.detail.slice(0, 8_192) };
  }
  return {
    code: 'executor_error',
    category: 'system',
    title: 'The executor failed while it ran the agent',
    detail: error instanceof Error ? error.message.slice(0, 8_192) : String(error),
    remedy:
      'Start the run again; if it fails again, report the run id to whoever operates this installation.',
    retryable: true,
  };
}
