import { describe, expect, it } from '@jest/globals';
import { emptyRun, number, react } from '@runledger/run';
import type { DraftEvent, Reaction, RunEvent } from '@runledger/run';
import { secondsAfter } from '../src/instant.ts';
import { AT, fold } from './given-when-then.ts';
import {
  ANNA,
  approvalRequested,
  childEnded,
  draft,
  failed,
  failure,
  log,
  parked,
  request,
  requested,
  spawned,
  started,
  stopRequested,
  stopped,
  succeeded,
  unparked,
} from './sample-events.ts';

/** The reactions to the last of these events. */
function reactionsTo(...drafts: DraftEvent[]): Reaction[] {
  const event = number(emptyRun('R'), drafts, AT).at(-1);
  return event ? react(event, fold(emptyRun('R'), drafts)) : [];
}

const asChild = requested({ parent: { run_id: 'P', call_id: 'c9' }, root_run_id: 'P', depth: 1 });
const release: Reaction = { type: 'release', run_id: 'R' };
const timed = { ...request().limits, timeout_s: 3600 };

describe('react', () => {
  it('asks for admission of a new run, root or child', () => {
    expect(reactionsTo(requested())).toEqual([{ type: 'admit', run_id: 'R', dispatch: 1 }]);
    expect(reactionsTo(asChild)).toEqual([{ type: 'admit', run_id: 'R', dispatch: 1 }]);
  });
  it('asks for nothing when the run was stopped in the commit that made it', () => {
    const drafts = [asChild, stopRequested(), stopped()];
    const [first] = number(emptyRun('R'), drafts, AT);
    expect(react(first as RunEvent, fold(emptyRun('R'), drafts))).toEqual([]);
  });
  it('sets the deadline of a run, and of a raised one, from its request', () => {
    expect(reactionsTo(requested({ limits: timed }))).toContainEqual({
      type: 'set_timer',
      kind: 'deadline',
      run_id: 'R',
      timer_id: 'deadline-1',
      due_at: '2026-11-21T11:00:00.000Z',
    });
    expect(
      reactionsTo(
        requested(),
        started(),
        draft('limits.raised', { by: ANNA, limits: { timeout_s: 86_400 } }),
      ),
    ).toEqual([
      {
        type: 'set_timer',
        kind: 'deadline',
        run_id: 'R',
        timer_id: 'deadline-3',
        due_at: '2026-11-22T10:00:00.000Z',
      },
    ]);
    expect(
      reactionsTo(requested(), started(), draft('limits.raised', { by: ANNA, limits: { timeout_s: null } })),
    ).toEqual([]);
  });
  it('dispatches at once after a handover, and admits after every other wait', () => {
    expect(reactionsTo(requested(), started(), parked('handover'))).toEqual([
      { type: 'command', run_id: 'R', command: { type: 'UnparkRun', reason: 'handover' } },
    ]);
    expect(reactionsTo(requested(), started(), parked('handover'), unparked('handover'))).toEqual([
      { type: 'dispatch', run_id: 'R', dispatch: 2 },
    ]);
    expect(reactionsTo(requested(), started(), parked('pause'), unparked('pause'))).toEqual([
      { type: 'admit', run_id: 'R', dispatch: 2 },
    ]);
  });
  it('releases the slot of a run that waits, and sets its timer', () => {
    expect(reactionsTo(requested(), started(), approvalRequested(), parked('approval'))).toEqual([release]);
    const timer = {
      type: 'set_timer',
      kind: 'retry',
      run_id: 'R',
      timer_id: 't1',
      due_at: '2026-11-21T10:01:00.000Z',
    };
    expect(reactionsTo(requested(), started(), parked('retry'))).toEqual([release, timer]);
    const data = {
      attempt: 1,
      error: { code: 'x', detail: '' },
      timer: { timer_id: 't1', due_at: '2026-11-21T10:01:00.000Z' },
    };
    expect(reactionsTo(requested(), started(), draft('retry.scheduled', data))).toEqual([timer]);
  });
  it('sets the timer of an approval', () => {
    expect(reactionsTo(requested(), started(), approvalRequested())).toEqual([
      {
        type: 'set_timer',
        kind: 'approval',
        run_id: 'R',
        timer_id: 'A1',
        due_at: '2026-11-22T10:00:00.000Z',
      },
    ]);
  });
  it('stops every live child, with the mode of the stop', () => {
    expect(
      reactionsTo(requested(), started(), spawned(), spawned('K2'), childEnded(), stopRequested('kill')),
    ).toEqual([
      { type: 'stop_child', run_id: 'K2', by: ANNA, mode: 'kill', reason: 'enough', cascade_from: 'R' },
    ]);
  });
  it('releases the slot of a run that ended, and tells its parent', () => {
    expect(reactionsTo(requested(), started(), succeeded())).toEqual([release]);
    const told = (rest: object) => [
      release,
      { type: 'command', run_id: 'P', command: { type: 'EndChild', child_run_id: 'R', ...rest } },
    ];
    expect(reactionsTo(asChild, started(), succeeded())).toEqual(
      told({ status: 'success', result: { ticks: 3 } }),
    );
    expect(reactionsTo(asChild, started(), failed())).toEqual(told({ status: 'error', error: failure }));
    expect(reactionsTo(asChild, stopRequested(), stopped())).toEqual(told({ status: 'stopped' }));
  });
  it('has nothing to do for progress, unknown types and unreadable data', () => {
    expect(reactionsTo(requested(), started(), log())).toEqual([]);
    expect(reactionsTo(requested(), { type: 'toast.burnt', data: {} } as unknown as DraftEvent)).toEqual([]);
    expect(reactionsTo(requested(), { type: 'run.parked', data: null } as unknown as DraftEvent)).toEqual([]);
  });
});

describe('number', () => {
  it('counts on from the run, under its attempt, and under the new one from run.started on', () => {
    const run = fold(emptyRun('R'), [requested(), started()]);
    const lost = draft('attempt.lost', { attempt: 1, executor: 'e1', reason: 'unreachable' });
    const events = number(run, [lost, started(2), log()], AT);
    expect(events.map(({ seq, attempt, run_id, at }) => [seq, attempt, run_id, at])).toEqual([
      [3, 1, 'R', AT],
      [4, 2, 'R', AT],
      [5, 2, 'R', AT],
    ]);
    expect(number(emptyRun('R'), [requested()], AT)[0]?.attempt).toBe(0);
    expect(Object.keys(events[0] ?? {})).toEqual(['seq', 'type', 'at', 'run_id', 'attempt', 'data']);
  });
});

describe('secondsAfter', () => {
  it.each([
    ['2026-11-21T10:00:00.000Z', 0],
    ['2026-12-31T23:59:59.999Z', 0.001],
    ['2028-02-28T23:00:00.000Z', 7200],
    ['2100-02-28T12:00:00.000Z', 86_400],
    ['2000-02-29T00:00:00.000Z', 31_622_400],
    ['2026-01-01T00:00:00.500Z', 1_000_000_000],
  ])('%s and %d s agrees with the calendar', (at, seconds) => {
    expect(secondsAfter(at, seconds)).toBe(new Date(Date.parse(at) + seconds * 1000).toISOString());
  });
  it('has no answer for what is no time', () => {
    expect(secondsAfter('soon', 5)).toBeUndefined();
    expect(secondsAfter(AT, Infinity)).toBeUndefined();
    expect(secondsAfter(AT, 1e15)).toBeUndefined();
  });
});
