import { decide, type Command, type Decision, type Run } from '@runledger/run';

/** Each switches off one rule that a promise stands on. A life with one of them must be found out. */
export const SABOTAGES = [
  /** The broker takes appends whatever they expect. */
  'no_fence',
  /** Agents go on with a result that is not on disk yet. */
  'use_before_record',
  /** A call with an unknown outcome is made again, and nobody is asked. */
  'repeat_unknown_outcome',
  /** A redelivered run is taken over without asking who holds it. */
  'take_over_unasked',
  /** A stop stays where it was asked for. */
  'stop_not_cascaded',
  /** A commit is folded onto a view that does not end right before it. */
  'view_with_hole',
  /** Starts and commands are answered before they are appended. */
  'answer_before_append',
  /** Idempotency keys are not looked at. */
  'start_twice',
  /** What costs money or changes the world is begun without a look at who holds the run. */
  'begin_unconfirmed',
  /** A child that is listed and was never created, because of a crash in between, is not created by the next attempt. */
  'absent_child_left',
  /** A run that nobody holds is stopped without a receipt. */
  'unheld_without_receipt',
  /** What did not follow by itself is not looked for. */
  'no_sweeps',
] as const;

export type Sabotage = (typeof SABOTAGES)[number];

/** What a process decides that does not hold the run. */
export const decideUnder =
  (sabotage: Sabotage | undefined) =>
  (command: Command, run: Run): Decision => {
    const decision = decide(command, run);
    if (sabotage !== 'unheld_without_receipt' || !decision.events) return decision;
    return { events: decision.events.filter(({ type }) => type !== 'stop.observed') };
  };
