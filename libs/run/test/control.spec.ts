import { describe, expect, it } from '@jest/globals';
import type { Command, DraftEvent } from '@runledger/run';
import { AT, given, type Expected } from './given-when-then.ts';
import {
  ANNA,
  BEN,
  E1,
  E2,
  approvalRequested,
  called,
  childEnded,
  draft,
  limitReached,
  nudged,
  parked,
  pauseRequested,
  requested,
  returned,
  spawned,
  started,
  stopObserved,
  stopRequested,
  succeeded,
  unknown,
  unparked,
} from './sample-events.ts';

const running = [requested(), started()];
const waitingForChild = [...running, spawned(), parked('children')];

describe('RequestStop', () => {
  const stop: Command = { type: 'RequestStop', by: ANNA, mode: 'cooperative', reason: 'enough' };
  const kill: Command = { ...stop, mode: 'kill' };

  it('asks the holder of a running run', () => {
    const { run } = given(...running)
      .when({ ...stop, cascade_from: 'P' })
      .thenEvents(['stop.requested', { mode: 'cooperative', cascade_from: 'P' }]);
    expect(run).toMatchObject({
      status: 'stopping',
      holder: { executor: 'e1' },
      stop: { mode: 'cooperative', requested_seq: 3, by_user_id: 'anna' },
    });
  });
  it.each<[string, DraftEvent[]]>([
    ['queued', [requested()]],
    ['queued', [...running, parked('handover'), unparked('handover')]],
    ['waiting:approval', [...running, approvalRequested(), parked('approval')]],
    ['waiting:retry', [...running, spawned(), childEnded(), parked('retry')]],
    ['waiting:budget', [...running, limitReached(), parked('budget')]],
    ['waiting:pause', [...running, pauseRequested(), parked('pause')]],
    ['waiting:handover', [...running, parked('handover')]],
  ])('stops at once what nobody holds and has no live child, with its receipt: %s', (boundary, history) => {
    const { run } = given(...history)
      .when(stop)
      .thenEvents(
        'stop.requested',
        ['stop.observed', { boundary, in_flight: [], latency_ms: 0 }],
        ['run.stopped', { by: ANNA, reason: 'enough' }],
      );
    expect(run).toMatchObject({ status: 'stopped', stop_observed: { boundary } });
  });
  it('says in the receipt which calls were in flight', () => {
    const since = { started_at: AT };
    given(...running, called('c1', false), unknown('c1'), parked('unknown_outcome'))
      .when(stop)
      .thenEvents(
        'stop.requested',
        [
          'stop.observed',
          { boundary: 'waiting:unknown_outcome', in_flight: [{ kind: 'tool', name: 'pay', ...since }] },
        ],
        'run.stopped',
      );
    given(...running, called('c1'), returned('c1'), spawned('K1'), childEnded('K1'), parked('handover'))
      .when(stop)
      .thenEvents('stop.requested', ['stop.observed', { in_flight: [] }], 'run.stopped');
  });
  it('waits for live children of a run that nobody holds, which has its receipt already', () => {
    const story = given(...waitingForChild)
      .when(stop)
      .thenEvents('stop.requested', [
        'stop.observed',
        {
          boundary: 'waiting:children',
          in_flight: [{ kind: 'agent', name: 'ticker', started_at: AT }],
          latency_ms: 0,
        },
      ]);
    expect(story.run).toMatchObject({ status: 'stopping', waiting_on: null, holder: null });
    story.when(kill).thenEvents(['stop.requested', { mode: 'kill' }]);
    story
      .when({ type: 'EndChild', child_run_id: 'K1', status: 'stopped' })
      .thenEvents('child.ended', 'run.stopped');
    given(...running, spawned(), parked('handover'), unparked('handover'))
      .when(stop)
      .thenEvents('stop.requested', ['stop.observed', { boundary: 'queued' }]);
  });
  it('changes nothing when repeated, or when it asks for less', () => {
    given(...running, stopRequested())
      .when(stop)
      .thenNothing();
    given(...running, stopRequested('kill'))
      .when(stop)
      .thenNothing();
    given(...running, stopRequested('kill'))
      .when(kill)
      .thenNothing();
  });
  it('goes from cooperative to kill once', () => {
    const story = given(...running, stopRequested())
      .when(kill)
      .thenEvents(['stop.requested', { mode: 'kill' }]);
    expect(story.run.stop).toMatchObject({ mode: 'kill', requested_seq: 3 });
    story.when(kill).thenNothing();
  });
  it('is refused for no run, and for one that has ended', () => {
    given().when(stop).thenRefused('run_not_found');
    given(...running, succeeded())
      .when(stop)
      .thenRefused('run_already_ended');
  });
});

describe('ObserveStop', () => {
  const observe: Command = {
    type: 'ObserveStop',
    held_by: E1,
    boundary: 'model',
    in_flight: [{ kind: 'tool', name: 'pay', started_at: 'x' }],
    latency_ms: 12,
  };

  it('is the receipt of the holder', () => {
    const { run } = given(...running, stopRequested())
      .when(observe)
      .thenEvents(['stop.observed', { boundary: 'model', latency_ms: 12 }]);
    expect(run).toMatchObject({ status: 'stopping', stop_observed: { boundary: 'model', seq: 4 } });
  });
  it('changes nothing when repeated', () => {
    given(...running, stopRequested(), stopObserved())
      .when(observe)
      .thenNothing();
  });
  it('is refused without a stop, and to another than the holder', () => {
    given(...running)
      .when(observe)
      .thenRefused('event_not_allowed');
    given(...running, stopRequested())
      .when({ ...observe, held_by: E2 })
      .thenRefused('not_the_holder');
  });
});

describe('FinishStop', () => {
  const finish: Command = { type: 'FinishStop', held_by: E1, by: ANNA, reason: 'enough' };
  const unheld: Command = { type: 'FinishStop', by: ANNA, reason: 'enough' };

  it('ends the run of its holder', () => {
    expect(
      given(...running, stopRequested(), stopObserved())
        .when(finish)
        .thenEvents(['run.stopped', { reason: 'enough' }]).run.status,
    ).toBe('stopped');
  });
  it('ends a run that nobody holds when its last child has ended', () => {
    given(...waitingForChild, stopRequested(), stopObserved(), childEnded())
      .when(unheld)
      .thenEvents('run.stopped');
  });
  it('writes the receipt of a run that nobody holds, where a stop of an earlier version left it out', () => {
    const receipt: Expected = ['stop.observed', { boundary: 'waiting:children', latency_ms: 0 }];
    given(...waitingForChild, stopRequested(), childEnded())
      .when(unheld)
      .thenEvents(receipt, 'run.stopped');
    given(...waitingForChild, stopRequested())
      .when({ type: 'EndChild', child_run_id: 'K1', status: 'stopped' })
      .thenEvents('child.ended', receipt, 'run.stopped');
  });
  it('is refused to a holder without a receipt', () => {
    given(...running, stopRequested())
      .when(finish)
      .thenRefused('event_not_allowed');
  });
  it('is refused when repeated', () => {
    given(...running, stopRequested(), stopObserved())
      .when(finish)
      .thenEvents('run.stopped')
      .when(finish)
      .thenRefused('run_already_ended');
  });
  it('is refused while children live', () => {
    given(...running, spawned(), stopRequested())
      .when(finish)
      .thenRefused('children_live');
    given(...waitingForChild, stopRequested())
      .when(unheld)
      .thenRefused('children_live');
  });
  it('is refused without a stop, and to another than the holder', () => {
    given(...running)
      .when(finish)
      .thenRefused('event_not_allowed');
    given(...running, stopRequested())
      .when({ ...finish, held_by: E2 })
      .thenRefused('not_the_holder');
    given(...running, stopRequested())
      .when(unheld)
      .thenRefused('not_the_holder');
  });
});

describe('SendNudge', () => {
  const nudge: Command = { type: 'SendNudge', nudge_id: 'N1', by: BEN, message: 'look left' };

  it('is kept until it is acknowledged, whatever the run is doing', () => {
    for (const history of [running, [requested()], waitingForChild]) {
      expect(
        given(...history)
          .when(nudge)
          .thenEvents(['nudge.received', { message: 'look left', by: BEN }]).run.nudges,
      ).toEqual([{ nudge_id: 'N1' }]);
    }
  });
  it('changes nothing when repeated', () => {
    given(...running, nudged())
      .when(nudge)
      .thenNothing();
  });
  it('is refused to a run that is stopping or over', () => {
    given(...running, stopRequested())
      .when(nudge)
      .thenRefused('run_stopping');
    given(...running, succeeded())
      .when(nudge)
      .thenRefused('run_already_ended');
  });
});

describe('PauseRun', () => {
  const pause: Command = { type: 'PauseRun', by: ANNA, reason: 'lunch' };

  it('asks the holder of a running run', () => {
    expect(
      given(...running)
        .when(pause)
        .thenEvents('pause.requested').run,
    ).toMatchObject({ status: 'running', pause_requested: true });
  });
  it('changes nothing when repeated', () => {
    given(...running, pauseRequested())
      .when(pause)
      .thenNothing();
    given(...running, pauseRequested(), parked('pause'))
      .when(pause)
      .thenNothing();
  });
  it('is refused when the run is not running', () => {
    given(requested()).when(pause).thenRefused('run_not_running');
    given(...waitingForChild)
      .when(pause)
      .thenRefused('run_not_running');
    given(...running, stopRequested())
      .when(pause)
      .thenRefused('run_stopping');
  });
});

describe('ResumeRun', () => {
  const resume: Command = { type: 'ResumeRun', by: ANNA };

  it('queues a paused run again in the same decision', () => {
    const { run } = given(...running, pauseRequested(), parked('pause'))
      .when(resume)
      .thenEvents('resume.requested', ['run.unparked', { reason: 'pause', dispatch: 2 }]);
    expect(run).toMatchObject({ status: 'queued', waiting_on: null, dispatch: 2, pause_requested: false });
  });
  it('takes back a pause that has not begun', () => {
    const story = given(...running, pauseRequested())
      .when(resume)
      .thenEvents('resume.requested');
    story
      .when({ type: 'ParkRun', held_by: E1, reason: 'pause', detail: '' })
      .thenRefused('condition_already_met');
  });
  it('changes nothing when repeated', () => {
    given(...running)
      .when(resume)
      .thenNothing();
  });
  it('is refused to a run that is stopping', () => {
    given(...running, stopRequested())
      .when(resume)
      .thenRefused('run_stopping');
  });
});

describe('RaiseLimits', () => {
  const raise: Command = { type: 'RaiseLimits', by: ANNA, limits: { max_cost_usd: '2.50' } };
  const stuck = [...running, limitReached(), parked('budget')];

  it('raises a limit of a run', () => {
    expect(
      given(...running)
        .when(raise)
        .thenEvents(['limits.raised', { limits: { max_cost_usd: '2.50' } }]).run.limits,
    ).toEqual({ max_turns: null, max_cost_usd: '2.50', timeout_s: null, max_attempts: 3 });
    given(requested())
      .when({ ...raise, limits: { max_cost_usd: null } })
      .thenEvents(['limits.raised', { limits: { max_cost_usd: null } }]);
  });
  it('queues a run again that was stuck at the limit', () => {
    const { run } = given(...stuck)
      .when(raise)
      .thenEvents('limits.raised', ['run.unparked', { reason: 'budget', dispatch: 2 }]);
    expect(run).toMatchObject({ status: 'queued', limit_reached: null });
  });
  it('leaves a run stuck whose limit is another', () => {
    expect(
      given(...stuck)
        .when({ ...raise, limits: { max_attempts: 9 } })
        .thenEvents('limits.raised').run,
    ).toMatchObject({ status: 'waiting', limit_reached: 'max_cost_usd' });
  });
  it('changes nothing when repeated', () => {
    given(...running, draft('limits.raised', { by: ANNA, limits: { max_cost_usd: '2.50' } }))
      .when(raise)
      .thenNothing();
  });
  it('is refused where nothing would be higher', () => {
    given(...running)
      .when({ ...raise, limits: { max_cost_usd: '0.50' } })
      .thenRefused('limit_not_raised');
    given(...running)
      .when({ ...raise, limits: { max_turns: 5 } })
      .thenRefused('limit_not_raised');
    given(...running)
      .when({ ...raise, limits: { max_cost_usd: 'lots' } })
      .thenRefused('limit_not_raised');
    given(...stuck)
      .when({ ...raise, limits: { max_cost_usd: '1.00' } })
      .thenRefused('limit_not_raised');
  });
  it('is refused to a run that is stopping', () => {
    given(...running, stopRequested())
      .when(raise)
      .thenRefused('run_stopping');
  });
});
