import { emptyRun, evolve, type Run } from '@runledger/run';
import type { StoredRun } from '../stored-runs.ts';
import type { Invariant } from './life.ts';

const TOO_LATE = new Set(['child.spawned', 'tool.called', 'turn.started', 'approval.requested']);

/** P4: after a stop was asked for, nothing new is begun, and nobody starts but to finish the stop. */
export const nothingBegins: Invariant = ({ runs }) =>
  [...runs.values()].flatMap((run) => {
    const stop = run.of('stop.requested')[0];
    if (!stop) return [];
    const later = run.events.filter(({ seq }) => seq > stop.seq);
    const late = later.filter(({ type }) => TOO_LATE.has(type));
    const started = later.filter(
      ({ type, seq }) => type === 'run.started' && run.events[seq - 2]?.type !== 'attempt.lost',
    );
    return [...late, ...started].map(({ type, seq }) => `P4: ${run.run_id}: ${type} (${seq}) after the stop`);
  });

/** P4: a stop that the scheduler has handled has reached every child that lived. */
export const stopsCascade: Invariant = ({ runs, world }) =>
  [...runs.values()].flatMap((run) => {
    const stop = run.of('stop.requested')[0];
    const handled = stop && world.broker.schedulerRuns.ackedAt.get(stop.stream_seq);
    if (!stop || handled === undefined || world.lostReactions.has(stop.stream_seq)) return [];
    return childrenOf(run)
      .filter(({ spawned }) => spawned < stop.seq)
      .filter(({ id }) => !isReached(runs.get(id), handled))
      .map(({ id }) => `P4: the stop of ${run.run_id} has not reached its child ${id}`);
  });

/** P3: a crash costs no child: who has one on record creates it, unless it is stopped before. */
export const everyChildIsCreated: Invariant = ({ runs }) =>
  [...runs.values()].flatMap((run) => {
    if (!run.of('stop.observed').some(({ data }) => data.boundary === 'absent')) return [];
    const parent = run.of('run.requested')[0]?.data.parent?.run_id ?? '';
    return runs.get(parent)?.of('stop.requested').length === 0
      ? [`P3: ${run.run_id} was on record with ${parent}, which was not stopped, and was never created`]
      : [];
  });

/** So long after its parent's end a child is left to itself: the wait, a sweep, and what both may be late by. */
const ORPHANED_MS = 240_000;

/** P4: nothing of a tree goes on long after the run that called it has ended. */
export const noOrphans: Invariant = ({ runs, world }) =>
  [...runs.values()].flatMap((run) => {
    const parent = run.of('run.requested')[0]?.data.parent?.run_id;
    const ended = parent === undefined ? undefined : runs.get(parent)?.end?.stored_at;
    if (ended === undefined) return [];
    const reached = [run.of('stop.requested')[0], run.end].map((event) => event?.stored_at ?? world.time.now);
    return Math.min(...reached) - ended > ORPHANED_MS
      ? [`P4: ${run.run_id} goes on long after ${parent} has ended`]
      : [];
  });

/** P4: a run has stopped when everything below it has. */
export const treesStopWhole: Invariant = ({ runs }) =>
  [...runs.values()].flatMap((run) => {
    const stopped = run.of('run.stopped')[0];
    if (!stopped) return [];
    return childrenOf(run)
      .filter(({ id }) => {
        const end = runs.get(id)?.end;
        return !end || end.stream_seq > stopped.stream_seq;
      })
      .map(({ id }) => `P4: ${run.run_id} has stopped before its child ${id}`);
  });

/** P4: a run that has stopped has one receipt, between the stop and the end; nobody held it: together with the stop. */
export const everyStopHasItsReceipt: Invariant = ({ runs }) =>
  [...runs.values()].flatMap((run) => {
    const [end, stop, receipts] = [run.end, run.of('stop.requested')[0], run.of('stop.observed')];
    if (end?.type !== 'run.stopped' || !stop) return [];
    if (receipts.length !== 1) return [`P4: ${run.run_id} has stopped with ${receipts.length} receipts`];
    const [receipt] = receipts;
    if (!receipt || receipt.seq < stop.seq || receipt.seq > end.seq)
      return [`P4: the receipt of ${run.run_id} is not between its stop and its end`];
    const held = run.events
      .filter(({ seq }) => seq < stop.seq)
      .reduce<Run>(evolve, emptyRun(run.run_id)).holder;
    return held === null && receipt.stream_seq !== stop.stream_seq
      ? [`P4: nobody held ${run.run_id}, and its receipt came after its stop`]
      : [];
  });

function isReached(child: StoredRun | undefined, by: number): boolean {
  const reached = [child?.of('stop.requested')[0], child?.end];
  return reached.some((event) => event !== undefined && event.stored_at <= by);
}

function childrenOf(run: StoredRun): { id: string; spawned: number }[] {
  return run.of('child.spawned').map(({ data, seq }) => ({ id: data.child_run_id, spawned: seq }));
}
