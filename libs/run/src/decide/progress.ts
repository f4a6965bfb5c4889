import type { Command, Decision } from '../commands.ts';
import { isReadable } from '../event-shapes.ts';
import type { DraftEvent, EventType } from '../events.ts';
import { evolve } from '../evolve.ts';
import type { Run } from '../run.ts';
import { append, refuse, refuseUnlessHeld } from './answers.ts';

/** What has happened when it is reported: also accepted while a stop is on its way. */
const facts: ReadonlySet<EventType> = new Set<EventType>([
  'turn.completed',
  'text.appended',
  'tool.returned',
  'step.completed',
  'milestone.reached',
  'log.written',
  'cost.added',
  'data.accessed',
  'child.ended',
]);

/** What is about to happen, or waits for somebody: refused once a stop is requested. */
const intents: ReadonlySet<EventType> = new Set<EventType>([
  'turn.started',
  'tool.called',
  'child.spawned',
  'nudge.acknowledged',
  'approval.requested',
  'outcome.unknown',
  'limit.reached',
]);

type Verdict = 'keep' | 'repeat' | Decision;

/** All of the events or none: the first that may not be refuses the command. What is already so is left out. */
export function recordProgress(command: Extract<Command, { type: 'RecordProgress' }>, run: Run): Decision {
  const refusal = refuseUnlessHeld(run, command.held_by);
  if (refusal) return refusal;
  const kept: DraftEvent[] = [];
  let after = run;
  for (const draft of command.events) {
    const verdict = refuseType(draft, run) ?? judge(draft, after);
    if (verdict === 'repeat') continue;
    if (verdict !== 'keep') return verdict;
    kept.push(draft);
    if (isTracked(draft.type))
      after = evolve(after, {
        ...draft,
        seq: after.seq + 1,
        at: '',
        run_id: run.run_id,
        attempt: run.attempt,
      });
  }
  return append(...kept);
}

function refuseType(draft: DraftEvent, run: Run): Decision | undefined {
  if (!facts.has(draft.type) && !intents.has(draft.type)) {
    return refuse('event_not_allowed', `${draft.type} is not progress of a run`);
  }
  if (run.status === 'stopping' && !facts.has(draft.type)) {
    return refuse('run_stopping', `the run is stopping: ${draft.type} comes too late`);
  }
  if (typeof draft.data !== 'object' || draft.data === null || !isReadable(draft.type, draft.data)) {
    return refuse('event_not_allowed', `the data of ${draft.type} is not what the type says`);
  }
  return undefined;
}

/** Whether a later event of the same command is judged by this one. */
function isTracked(type: EventType): boolean {
  return type.startsWith('tool.') || type.startsWith('child.') || intents.has(type);
}

function judge(draft: DraftEvent, run: Run): Verdict {
  switch (draft.type) {
    case 'tool.called':
      return findCall(run, draft.data.call_id) ? 'repeat' : 'keep';
    case 'tool.returned': {
      // A denied call was never called.
      const known = findCall(run, draft.data.call_id) ?? draft.data.outcome === 'denied';
      return known ? 'keep' : refuse('call_unknown', `no call ${draft.data.call_id} is open`);
    }
    case 'outcome.unknown': {
      const call = findCall(run, draft.data.call_id);
      if (!call) return refuse('call_unknown', `no call ${draft.data.call_id} is open`);
      return call.state === 'unknown' ? 'repeat' : 'keep';
    }
    case 'child.spawned':
      return findChild(run, draft.data.child_run_id) ? 'repeat' : 'keep';
    case 'child.ended': {
      const child = findChild(run, draft.data.child_run_id);
      if (!child) return refuse('child_unknown', `the run has no child ${draft.data.child_run_id}`);
      return child.status === 'live' ? 'keep' : 'repeat';
    }
    case 'approval.requested':
      return run.approvals.some((known) => known.approval_id === draft.data.approval_id) ? 'repeat' : 'keep';
    case 'nudge.acknowledged':
      return run.nudges.some((nudge) => nudge.nudge_id === draft.data.nudge_id) ? 'keep' : 'repeat';
    case 'limit.reached':
      return run.limit_reached === draft.data.limit ? 'repeat' : 'keep';
    default:
      return 'keep';
  }
}

function findCall(run: Run, call_id: string) {
  return run.open_calls.find((call) => call.call_id === call_id);
}

function findChild(run: Run, child_run_id: string) {
  return run.children.find((child) => child.child_run_id === child_run_id);
}
