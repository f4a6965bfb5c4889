import type { Command, HeldBy, Json, RunError } from '@runledger/run';
import type { HeldRun } from '@runledger/run-log';
import type { VirtualTime } from '../virtual-time.ts';
import type { Gate } from './gate.ts';
import type { Inbox } from './inbox.ts';
import { AgentFailed, AgentStopped, Handover, OutcomeUnknown } from './interruptions.ts';

export type Ending = { result: Json } | { error: unknown };

export interface Hold {
  held: HeldRun;
  heldBy: HeldBy;
  gate: Gate;
  inbox: Inbox;
  time: VirtualTime;
  freeSlot: () => void;
}

/** Appends the end of an attempt. True when it is on disk, so that the work message may be acked. */
export async function appendEnd(hold: Hold, ending: Ending): Promise<boolean> {
  const { held, gate } = hold;
  await gate.parking.deciding;
  if (gate.parking.parked) return true;
  if ('error' in ending && ending.error instanceof AgentStopped)
    return finishStop(hold, ending.error.boundary);
  const refusal = await held.submit(commandFor(hold, ending));
  if (!refusal) return true;
  if (gate.stopping) return finishStop(hold, 'end');
  return refusal.code === 'run_already_ended';
}

/** A run that stops waits for its children's ends: only then has all of it stopped. */
async function finishStop({ held, heldBy, gate, inbox, freeSlot }: Hold, boundary: string): Promise<boolean> {
  await gate.observeStop(boundary);
  freeSlot();
  if (!(await inbox.whenNoChildLives(gate.leaving))) return false;
  const refusal = await held.submit({ type: 'FinishStop', held_by: heldBy, ...gate.stopOrder });
  return !refusal;
}

function commandFor({ held, heldBy, time }: Hold, ending: Ending): Command {
  if ('result' in ending)
    return { type: 'SucceedRun', held_by: heldBy, result: ending.result, schema_warnings: [] };
  const { error } = ending;
  if (error instanceof Handover)
    return { type: 'ParkRun', held_by: heldBy, reason: 'handover', detail: 'the executor is shutting down' };
  if (error instanceof OutcomeUnknown)
    return { type: 'ParkRun', held_by: heldBy, reason: 'unknown_outcome', detail: error.message };
  const failure = runError(error);
  const { failed_attempts, limits, attempt } = held.run;
  if (!failure.retryable || failed_attempts + 1 >= limits.max_attempts)
    return { type: 'FailRun', held_by: heldBy, error: failure };
  const { code, detail } = failure;
  const due_at = time.timestampOf(time.now + 1_000 * 2 ** failed_attempts);
  const timer = { timer_id: `retry-${attempt}`, due_at };
  return { type: 'ScheduleRetry', held_by: heldBy, error: { code, detail }, timer };
}

function runError(error: unknown): RunError {
  const known = error instanceof AgentFailed ? error : undefined;
  return {
    code: known?.code ?? 'executor_error',
    category: known ? 'agent' : 'system',
    title: 'The agent failed',
    detail: error instanceof Error ? error.message : String(error),
    remedy: '',
    retryable: known?.retryable ?? true,
  };
}
