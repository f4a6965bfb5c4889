import { evolve, emptyRun, isEndType } from '@runledger/run';
import { chainDigest } from '@runledger/wire';
import type { StoredRun } from '../stored-runs.ts';
import type { Invariant, Life } from './life.ts';

/** P1: what was answered 2xx is there, once, and comes to its end. */
export const startsEnd: Invariant = ({ people, runs }) => {
  const found: string[] = [];
  for (const { intent, run_id } of people.starts)
    if (!runs.has(run_id))
      found.push(`P1: the start of ${run_id} (${intent}) was acknowledged and is not there`);
  const roots = new Map<string, string[]>();
  for (const run of runs.values()) {
    const intent = run.of('run.requested')[0]?.data.labels.intent;
    if (intent !== undefined) roots.set(intent, [...(roots.get(intent) ?? []), run.run_id]);
    if (!run.end) found.push(`P1: ${run.run_id} never ends: ${run.events.at(-1)?.type}`);
  }
  for (const [intent, ids] of roots)
    if (ids.length > 1) found.push(`P1: ${intent} was started ${ids.length} times: ${ids.join(', ')}`);
  return found;
};

/** P2: 1..N without a hole, an unbroken chain of digests, and nothing after the end. */
export const wholeLogs: Invariant = ({ runs }) => [...runs.values()].flatMap(wholeLog);

function wholeLog(run: StoredRun): string[] {
  const found: string[] = [];
  let digest = '';
  for (const { lines, digest: said, first } of run.commits) {
    digest = chainDigest(digest, lines);
    if (digest !== said) found.push(`P2: ${run.run_id}: the chain of digests breaks at ${first}`);
  }
  run.events.forEach(({ seq }, at) => {
    if (seq !== at + 1) found.push(`P2: ${run.run_id}: event ${at + 1} says that it is ${seq}`);
  });
  const end = run.events.findIndex(({ type }) => isEndType(type));
  if (end >= 0 && end < run.events.length - 1)
    found.push(`P2: ${run.run_id}: ${run.events[end + 1]?.type} after the end`);
  return found;
}

/** P2: every reader got the stored bytes, in order, each once. */
export const sameBytes: Invariant = ({ observers, runs }) => {
  const found: string[] = [];
  for (const { address, lines } of observers) {
    const stored = runs.get(address.run_id)?.commits.flatMap((commit) => commit.lines) ?? [];
    const at = stored.findIndex((line, index) => lines[index]?.line !== line);
    if (at >= 0 || lines.length !== stored.length)
      found.push(
        `P2: a reader of ${address.run_id} got ${lines.length} of ${stored.length}, other at ${at + 1}`,
      );
  }
  return found;
};

/** P3: what happened once is recorded once. */
export const recordedOnce: Invariant = ({ runs }) => {
  const found: string[] = [];
  for (const run of runs.values()) {
    const seen = new Set<string>();
    for (const event of run.events) {
      const once = nameOf(event);
      if (once !== undefined && seen.has(once))
        found.push(`P3: ${run.run_id}: ${once} (${event.seq}) once more`);
      if (once !== undefined) seen.add(once);
    }
  }
  return found;
};

/** The name of what can happen only once in a run; undefined: it may happen again. */
function nameOf({ type, data }: StoredRun['events'][number]): string | undefined {
  switch (type) {
    case 'step.completed':
    case 'milestone.reached':
      return `${type} ${data.index}`;
    case 'tool.called':
    case 'tool.returned':
    case 'child.spawned':
      return `${type} ${data.call_id}`;
    case 'child.ended':
      return `${type} ${data.child_run_id}`;
    case 'approval.requested':
      return `${type} ${data.approval_id}`;
    case 'nudge.received':
    case 'nudge.acknowledged':
      return `${type} ${data.nudge_id}`;
    case 'run.started':
      return `${type} ${data.attempt}`;
    case 'stop.observed':
      return type;
    default:
      return undefined;
  }
}

/** P3: what an executor writes is written while it holds the run. */
export const onlyTheHolder: Invariant = ({ runs }) => {
  const found: string[] = [];
  for (const run of runs.values()) {
    let state = emptyRun(run.run_id);
    for (const event of run.events) {
      const isExecutor = event.writer.startsWith('executor');
      const begins = event.type === 'run.started' || event.type === 'attempt.lost';
      const open = event.type === 'run.requested' || event.type === 'run.unparked' || isEndType(event.type);
      if (isExecutor && !begins && !open && state.holder?.executor !== event.writer)
        found.push(
          `P3: ${run.run_id}: ${event.type} (${event.seq}) of ${event.writer}, who does not hold it`,
        );
      state = evolve(state, event);
    }
  }
  return found;
};

/** P3: a run is taken from an executor only when that is dead, does not answer or has let go. */
export const takenFromTheAbsent: Invariant = ({ world, runs }) => {
  const found: string[] = [];
  for (const run of runs.values())
    for (const { data, stored_at, seq } of run.of('attempt.lost')) {
      const begun = run.of('run.started').find((event) => event.data.attempt === data.attempt);
      const since = Math.max(begun?.stored_at ?? 0, stored_at - ABSENT_WITHIN_MS);
      const { executor } = data;
      const held = world.holdsOf(executor, run.run_id).cover(since, stored_at);
      const away = world.holders.get(executor)?.process.wasAway(since, stored_at) ?? true;
      if (held && !away && !world.broker.outages.meet(since, stored_at))
        found.push(`P3: ${run.run_id}: taken from ${executor} at ${seq}, who was there and held it`);
    }
  return found;
};
/** As long as an append may take that was decided upon when the holder did not answer. */
const ABSENT_WITHIN_MS = 12_000;

/** What a person was told is so, is in the log. */
export const commandsAreStored: Invariant = ({ people, runs }: Life) => {
  const found: string[] = [];
  for (const { run_id, command } of people.commands) {
    const run = runs.get(run_id);
    if (!run || !isStored(run, command))
      found.push(`P1: ${command.type} of ${run_id} was acknowledged and is not there`);
  }
  return found;
};

function isStored(run: StoredRun, command: Life['people']['commands'][number]['command']): boolean {
  switch (command.type) {
    case 'RequestStop':
      return run.of('stop.requested').length > 0;
    case 'PauseRun':
      return run.of('pause.requested').length > 0;
    case 'ResumeRun':
      return run.of('pause.requested').length === 0 || run.of('resume.requested').length > 0;
    case 'SendNudge':
      return run.of('nudge.received').some(({ data }) => data.nudge_id === command.nudge_id);
    case 'DecideApproval':
      return run
        .of('approval.decided')
        .some(({ data }) => data.approval_id === command.approval_id && data.decision === command.decision);
    case 'ResolveOutcome':
      return run.of('outcome.resolved').some(({ data }) => data.call_id === command.call_id);
    case 'RaiseLimits': {
      const wanted = Number(command.limits.max_cost_usd);
      const requested = run.of('run.requested')[0]?.data.limits.max_cost_usd ?? null;
      const raised = run.of('limits.raised').map(({ data }) => data.limits.max_cost_usd ?? null);
      return [requested, ...raised].some((limit) => limit === null || Number(limit) >= wanted);
    }
    default:
      return false;
  }
}
