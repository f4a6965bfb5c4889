import { AgentFailed } from '@runledger/harness';
import type { Run, RunError, TimerRef } from '@runledger/run';

const FIRST_MS = 1_000;
const LONGEST_MS = 300_000;
const JITTER = 0.2;

/**
 * When a failed attempt is followed by another: 1 s, doubled with each failure up to 5 minutes, give or take a fifth,
 * and never before the time that a provider asked for. Undefined when this failure is the run's end.
 */
export function retryTimer(
  run: Pick<Run, 'attempt' | 'failed_attempts' | 'limits'>,
  error: RunError,
  cause: unknown,
  chance: () => number = Math.random,
  now = Date.now(),
): TimerRef | undefined {
  if (!error.retryable || run.failed_attempts + 1 >= run.limits.max_attempts) return undefined;
  const doubled = Math.min(FIRST_MS * 2 ** run.failed_attempts, LONGEST_MS);
  const jittered = doubled * (1 - JITTER + 2 * JITTER * chance());
  const asked = cause instanceof AgentFailed ? (cause.retryAfterMs ?? 0) : 0;
  const due = now + Math.round(Math.max(jittered, asked));
  return { timer_id: `retry-${run.attempt}`, due_at: new Date(due).toISOString() };
}
