import { timedOut, type Command } from '@runledger/run';
import type { RunAddress, RunLog } from '@runledger/run-log';
import type { TimerKind } from './timer-queue.ts';

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
      return { type: 'FailRun', error: timedOut() };
  }
}
