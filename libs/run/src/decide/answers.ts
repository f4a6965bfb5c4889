import type { Decision, HeldBy, RefusalCode } from '../commands.ts';
import type { DraftEvent, ParkReason } from '../events.ts';
import { holds } from '../predicates.ts';
import type { Run } from '../run.ts';

export function append(...events: DraftEvent[]): Decision {
  return { events };
}

/** It is already so. */
export function nothing(): Decision {
  return { events: [] };
}

export function refuse(code: RefusalCode, detail: string): Decision {
  return { refusal: { code, detail } };
}

export function refuseUnlessHeld(run: Run, heldBy: HeldBy): Decision | undefined {
  if (holds(run, heldBy)) return undefined;
  const holder = run.holder ? `${run.holder.executor} in attempt ${run.holder.attempt}` : 'nobody';
  return refuse(
    'not_the_holder',
    `the run is held by ${holder}, not by ${heldBy.executor} in attempt ${heldBy.attempt}`,
  );
}

export function refuseStopping(run: Run): Decision | undefined {
  return run.status === 'stopping' ? refuse('run_stopping', 'the run is stopping') : undefined;
}

export function unparked(run: Run, reason: ParkReason): DraftEvent {
  return { type: 'run.unparked', data: { reason, dispatch: run.dispatch + 1 } };
}
