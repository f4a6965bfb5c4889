import fc from 'fast-check';
import type { Command, DraftEvent, ParkReason, Run } from '@runledger/run';
import {
  ANNA,
  BEN,
  approvalRequested,
  called,
  childEnded,
  draft,
  failure,
  limitReached,
  log,
  milestone,
  request,
  returned,
  spawned,
  unknown,
} from './sample-events.ts';

/** A command that is made when the run is known, so that many of them are acceptable. */
export type Ask = (run: Run) => Command;

const id = (prefix: string) => fc.integer({ min: 1, max: 2 }).map((n) => `${prefix}${n}`);
const by = fc.constantFrom(ANNA, BEN);
const mode = fc.constantFrom('cooperative' as const, 'kill' as const);
const reason = fc.constantFrom<ParkReason>(
  'children',
  'approval',
  'budget',
  'unknown_outcome',
  'pause',
  'retry',
  'handover',
);
const timer = { timer_id: 't1', due_at: '2026-11-21T10:01:00.000Z' };

const progress: fc.Arbitrary<DraftEvent> = fc.oneof(
  fc.constantFrom(log(), milestone(), limitReached(), draft('turn.started', { turn: 1, model: 'm' })),
  id('c').map((call) => called(call)),
  id('c').map((call) => returned(call)),
  id('c').map((call) => unknown(call)),
  id('K').map((child) => spawned(child)),
  id('K').map((child) => childEnded(child)),
  id('A').map((approval) => approvalRequested(approval)),
  id('N').map((nudge_id) => draft('nudge.acknowledged', { nudge_id, turn: 1 })),
);

const calledAndUnknown = id('c').map((call): DraftEvent[] => [called(call), unknown(call)]);

/** Mostly who holds the run, sometimes somebody else. */
const heldBy = fc.integer({ min: 0, max: 9 }).map((n) => (run: Run) => ({
  executor: n === 0 ? 'stranger' : (run.holder?.executor ?? 'e1'),
  attempt: n === 1 ? run.attempt - 1 : run.attempt,
}));

const ofHolder: fc.Arbitrary<Ask> = fc.oneof(
  fc
    .tuple(
      heldBy,
      fc.oneof(calledAndUnknown, fc.array(progress, { minLength: 1, maxLength: 3, size: 'max' })),
    )
    .map(([who, events]): Ask => (run) => ({ type: 'RecordProgress', held_by: who(run), events })),
  fc.tuple(heldBy, reason).map(([who, why]): Ask => (run) => ({
    type: 'ParkRun',
    held_by: who(run),
    reason: why,
    detail: '',
    ...(why === 'retry' ? { timer } : {}),
  })),
  heldBy.map((who): Ask => (run) => ({
    type: 'ScheduleRetry',
    held_by: who(run),
    error: { code: 'x', detail: '' },
    timer,
  })),
  heldBy.map((who): Ask => (run) => ({ type: 'CheckpointRun', held_by: who(run) })),
  heldBy.map((who): Ask => (run) => ({
    type: 'ObserveStop',
    held_by: who(run),
    boundary: 'b',
    in_flight: [],
    latency_ms: 1,
  })),
  heldBy.map((who): Ask => (run) => ({ type: 'FinishStop', held_by: who(run), by: ANNA, reason: 'r' })),
);

const rarely: fc.Arbitrary<Ask> = fc.oneof(
  heldBy.map((who): Ask => (run) => ({
    type: 'SucceedRun',
    held_by: who(run),
    result: 1,
    schema_warnings: [],
  })),
  heldBy.map((who): Ask => (run) => ({ type: 'FailRun', held_by: who(run), error: failure })),
  fc.constant<Ask>(() => ({ type: 'FailRun', error: failure })),
  fc.constant<Ask>(() => ({ type: 'FinishStop', by: ANNA, reason: 'r' })),
  fc
    .tuple(by, mode)
    .map(([who, how]): Ask => () => ({ type: 'RequestStop', by: who, mode: how, reason: 'r' })),
  fc.constant<Ask>(() => ({
    type: 'StopAbsentChild',
    request: request(),
    by: ANNA,
    mode: 'kill',
    reason: 'r',
    cascade_from: 'P',
  })),
);

const start = fc.constant<Ask>(() => ({ type: 'StartRun', request: request() }));

const begin = fc
  .record({
    ahead: fc.constantFrom(0, 0, 0, 0, 1, -1),
    later: fc.integer({ min: 0, max: 1 }),
    executor: id('e'),
    lost: fc.boolean(),
  })
  .map(({ ahead, later, executor, lost }): Ask => (run) => ({
    type: 'BeginAttempt',
    dispatch: Math.max(1, run.dispatch) + ahead,
    work_seq: run.holder?.work_seq ?? run.dispatch + 10,
    delivery: (run.holder?.delivery ?? 1) + later,
    executor,
    pool: 'default',
    engine: 'builtin',
    ...(lost ? { lost: 'lease_expired' as const } : {}),
  }));

const ofOthers: fc.Arbitrary<Ask> = fc.oneof(
  reason.map((why): Ask => () => ({ type: 'UnparkRun', reason: why })),
  fc.constantFrom('t0', 't1').map((timer_id): Ask => () => ({ type: 'FireRetry', timer_id })),
  id('K').map((child_run_id): Ask => () => ({
    type: 'EndChild',
    child_run_id,
    status: 'success',
    result: 1,
  })),
  fc
    .tuple(id('N'), by)
    .map(([nudge_id, who]): Ask => () => ({ type: 'SendNudge', nudge_id, by: who, message: 'm' })),
  fc
    .tuple(id('A'), by, fc.constantFrom('approve' as const, 'deny' as const))
    .map(([approval_id, who, decision]): Ask => () => ({
      type: 'DecideApproval',
      approval_id,
      decision,
      by: who,
      channel: 'cli',
      reason: '',
      scope: 'once',
    })),
  id('A').map((approval_id): Ask => () => ({ type: 'ExpireApproval', approval_id })),
  fc.constantFrom('c1', 'c2').map((call_id): Ask => (run) => ({
    type: 'ResolveOutcome',
    call_id: run.open_calls.find((call) => call.state === 'unknown')?.call_id ?? call_id,
    by: ANNA,
    choice: 'retry',
  })),
  fc
    .constantFrom('2.00', '3.00', null)
    .map((max_cost_usd): Ask => () => ({ type: 'RaiseLimits', by: ANNA, limits: { max_cost_usd } })),
  by.map((who): Ask => () => ({ type: 'PauseRun', by: who, reason: 'r' })),
  by.map((who): Ask => () => ({ type: 'ResumeRun', by: who })),
);

export const asks: fc.Arbitrary<Ask[]> = fc
  .array(
    fc.oneof(
      { weight: 1, arbitrary: start },
      { weight: 12, arbitrary: begin },
      { weight: 24, arbitrary: ofHolder },
      { weight: 1, arbitrary: rarely },
      { weight: 16, arbitrary: ofOthers },
    ),
    { minLength: 10, maxLength: 80, size: 'max' },
  )
  .map((list): Ask[] => [() => ({ type: 'StartRun', request: request() }), ...list]);
