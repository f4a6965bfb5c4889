import type { Refusal, RefusalCode } from '@runledger/run';
import type { ProblemCode } from './codes.ts';
import { Problem } from './problem.ts';

/** The refusals that a caller can do something about by their code; the others are `refused`, with the code in the detail. */
const CODE_OF_REFUSAL: Partial<Record<RefusalCode, ProblemCode>> = {
  run_not_found: 'run_not_found',
  run_already_ended: 'run_already_ended',
  run_stopping: 'run_stopping',
  run_not_running: 'run_not_running',
  limit_not_raised: 'limit_not_raised',
  call_unknown: 'call_not_found',
  outcome_not_unknown: 'outcome_not_unknown',
  approval_unknown: 'approval_not_found',
  approval_already_decided: 'approval_already_decided',
};

/** The problems that any command for a run can be answered with. */
export const CONTROL_PROBLEMS = [
  'run_not_found',
  'run_erased',
  'run_already_ended',
  'refused',
  'log_unavailable',
  'log_full',
  'outcome_unknown',
  'too_much_contention',
] as const satisfies readonly ProblemCode[];

/** The domain's no as the answer of a request. */
export function problemFromRefusal({ code, detail }: Refusal): Problem {
  const known = CODE_OF_REFUSAL[code];
  return known ? new Problem(known, detail) : new Problem('refused', `${code}: ${detail}`);
}
