import type { Command, RunError } from '@runledger/run';
import type { RunAddress, RunLog } from '@runledger/run-log';
import type { TimerKind } from './timer-queue.ts';

const TIMED_OUT: RunError = {
  code: 'timeout',
  category: 'timeout',
  title: 'The run took longer than its limit',
  detail: 'the limit was reached while the run waited',
  remedy: 'Raise limits.timeout_s of the agent or of the start.',
  retryable: false,
};

/** The firing is the proof that it is time: no clocks are compared. A timer that no longer fits is refused, which is its end. */
export async function fire(
  runLog: RunLog,
  address: RunAddress,
  kind: TimerKind,
  timerId: string,
): Promise<void> {
  await runLog.execute(address, () => commandFor(kind, timerId));
}

function commandFor(kind: TimerKind, timerId: string): Command {
  switch (kind) {
    case 'retry':
      return { type: 'FireRetry', timer_id: timerId };
    case 'approval':
      return { type: 'ExpireApproval', approval_id: timerId };
    case 'deadline':
      // Of a run that is held, the holder keeps the time: this is for one that waits.
      return { type: 'FailRun', error: TIMED_OUT };
  }
}
