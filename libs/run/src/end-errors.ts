import type { DraftEvent, RunError } from './events.ts';

/** Attempts lost in a row, without a recorded step between them, after which a run is given up. */
export const MAX_LOST_IN_A_ROW = 20;

/** The error of a run whose executors keep dying. */
export function executorLost(lost_in_a_row: number): RunError {
  return {
    code: 'executor_lost',
    category: 'system',
    title: 'The run lost its executor too often',
    detail: `${lost_in_a_row} attempts in a row were lost without a new recorded step.`,
    remedy:
      'Look at the executors: one that runs out of memory or is killed at this step takes the run with it. Then start the run again.',
    retryable: true,
  };
}

/** The end of a run whose log is full: `limit` and `used` are numbers of commits. */
export function endAtLogCap(limit: number, used: number): { reached: DraftEvent; error: RunError } {
  const error: RunError = {
    code: 'log_limit_reached',
    category: 'limit',
    title: 'The log of the run is full',
    detail: `The run has used ${used} of ${limit} commits.`,
    remedy: 'Let the agent report less often, or split its work into child runs.',
    retryable: false,
  };
  const data = { limit: 'commits', value: String(limit), used: String(used) };
  return { reached: { type: 'limit.reached', data }, error };
}

/** The error of a run whose time was over while nobody held it. */
export function timedOut(): RunError {
  return {
    code: 'timeout',
    category: 'timeout',
    title: 'The run took longer than its limit',
    detail: 'the limit was reached while the run waited',
    remedy: 'Raise limits.timeout_s of the agent or of the start.',
    retryable: false,
  };
}

/** What a parent is told of a child that was erased before the parent was told of its end. */
export function childErased(child_run_id: string): RunError {
  return {
    code: 'child_erased',
    category: 'system',
    title: 'The run of the called agent was erased',
    detail: `run ${child_run_id} was erased before its result was recorded`,
    remedy: 'Call the agent again, and erase its run only when the calling run has ended.',
    retryable: false,
  };
}
