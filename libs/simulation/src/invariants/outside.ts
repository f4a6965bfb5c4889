import type { StoredRun } from '../stored-runs.ts';
import type { Invariant, Life } from './life.ts';

/** A hold may have been looked at so long before a call begins: a call that began sooner after is the documented residue. */
const LOOKED_AT_MS = 1_000;

type Call = Life['world']['outside']['journal'][number];

/** Result of the call at an index, as it is recorded first; undefined: it never was. */
function recordedAt(run: StoredRun | undefined, index: number): number | undefined {
  return run?.events.find(
    (event) =>
      (event.type === 'step.completed' ||
        event.type === 'tool.returned' ||
        event.type === 'milestone.reached') &&
      event.data.index === index,
  )?.stored_at;
}

/** P3: what is recorded is not paid for, and not done, again. */
export const paidOnce: Invariant = ({ world, runs }) =>
  world.outside.journal
    .filter(({ run_id, index, at }) => {
      const recorded = recordedAt(runs.get(run_id), index);
      return recorded !== undefined && recorded + LOOKED_AT_MS < at;
    })
    .map((call) => `P3: ${call.run_id}: ${describe(call)}, whose result had been recorded`);

/** P3: an agent goes on from what is on disk, never from what only it knows. */
export const builtOnRecords: Invariant = ({ world, runs }) => {
  const found: string[] = [];
  for (const call of world.outside.journal)
    for (const index of call.after) {
      const run = runs.get(call.run_id);
      const isCall = run?.events.some(
        (event) =>
          (event.type === 'tool.called' || event.type === 'step.completed') && event.data.index === index,
      );
      const wasMade = world.outside.journal.some(
        (other) => other.run_id === call.run_id && other.index === index,
      );
      if (!isCall && !wasMade) continue;
      const recorded = recordedAt(run, index);
      if (recorded === undefined || recorded > call.at)
        found.push(`P3: ${call.run_id}: ${describe(call)} builds on ${index}, which was not recorded`);
    }
  return found;
};

/** P5: what may not be repeated is done once, and once more for each time that a person said so. */
export const doneOnce: Invariant = ({ world, runs }) => {
  const times = new Map<string, Call[]>();
  for (const call of world.outside.journal) {
    if (call.kind !== 'tool' || call.idempotent) continue;
    const key = `${call.run_id}/${call.call_id}`;
    times.set(key, [...(times.get(key) ?? []), call]);
  }
  const found: string[] = [];
  for (const [key, calls] of times) {
    const [runId = '', callId] = key.split('/');
    const resolved = runs.get(runId)?.of('outcome.resolved') ?? [];
    const retries = resolved.filter(({ data }) => data.call_id === callId && data.choice === 'retry').length;
    if (calls.length > 1 + retries)
      found.push(`P5: ${key} took effect ${calls.length} times, and was wanted again ${retries} times`);
  }
  return found;
};

/** P4: once an agent has observed its stop, nothing of it begins. */
export const nothingAfterStop: Invariant = ({ world, runs }) =>
  world.outside.journal
    .filter((call) => {
      const observed = runs.get(call.run_id)?.of('stop.observed')[0];
      return observed !== undefined && observed.stored_at < call.at;
    })
    .map((call) => `P4: ${call.run_id}: ${describe(call)} after the stop was observed`);

function describe({ kind, index, attempt, executor, at }: Call): string {
  return `the ${kind} call ${index} of attempt ${attempt} by ${executor} at ${at} ms`;
}
