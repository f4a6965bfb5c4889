import type { DraftEvent, RunEvent } from './events.ts';
import type { Run } from './run.ts';

/**
 * Gives drafts their place behind the run's last event. `at` is RFC 3339 UTC with milliseconds. The attempt is the
 * run's; from a `run.started` on it is the new one.
 */
export function number(run: Run, drafts: readonly DraftEvent[], at: string): RunEvent[] {
  let { seq, attempt } = run;
  return drafts.map((draft): RunEvent => {
    seq += 1;
    if (draft.type === 'run.started') attempt = draft.data.attempt;
    return { seq, type: draft.type, at, run_id: run.run_id, attempt, data: draft.data } as RunEvent;
  });
}
