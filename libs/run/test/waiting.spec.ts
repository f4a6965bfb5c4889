import { describe, expect, it } from '@jest/globals';
import type { Command, ParkReason } from '@runledger/run';
import { given } from './given-when-then.ts';
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
  parked,
  pauseRequested,
  requested,
  spawned,
  started,
  stopObserved,
  stopRequested,
  succeeded,
  unknown,
  unparked,
} from './sample-events.ts';

const running = [requested(), started()];
const timer = { timer_id: 't1', due_at: '2026-11-21T10:01:00.000Z' };
const park = (reason: ParkReason): Command => ({
  type: 'ParkRun',
  held_by: E1,
  reason,
  detail: 'why',
  ...(reason === 'retry' ? { timer } : {}),
});

describe('ParkRun', () => {
  const conditions: [ParkReason, ReturnType<typeof requested>[]][] = [
    ['children', [spawned()]],
    ['approval', [approvalRequested()]],
    ['unknown_outcome', [called(), unknown()]],
    ['budget', [limitReached()]],
    ['pause', [pauseRequested()]],
    ['retry', []],
    ['handover', []],
  ];

  it.each(conditions)('lets go of the run for %s, and changes nothing when repeated', (reason, history) => {
    const story = given(...running, ...history)
      .when(park(reason))
      .thenEvents(['run.parked', { reason, dispatch: 1, detail: 'why' }]);
    expect(story.run).toMatchObject({ status: 'waiting', waiting_on: reason, holder: null });
    story.when(park(reason)).thenNothing();
  });
  it.each(['children', 'approval', 'unknown_outcome', 'budget', 'pause'] as const)(
    'is refused for %s when nothing is left to wait for',
    (reason) => {
      given(...running)
        .when(park(reason))
        .thenRefused('condition_already_met');
    },
  );
  it('is refused when the last child ended before', () => {
    given(...running, spawned(), childEnded())
      .when(park('children'))
      .thenRefused('condition_already_met');
  });
  it('is refused to another than the holder, and while the run stops', () => {
    given(...running)
      .when({ ...park('handover'), held_by: E2 } as Command)
      .thenRefused('not_the_holder');
    given(...running, stopRequested())
      .when(park('handover'))
      .thenRefused('run_stopping');
  });
  it('is refused to a holder whose attempt is another, also when the run waits for the same', () => {
    given(...running, parked('handover'))
      .when({ type: 'ParkRun', held_by: E2, reason: 'handover', detail: '' })
      .thenRefused('not_the_holder');
  });
  it('is refused for a retry without a timer', () => {
    given(...running)
      .when({ type: 'ParkRun', held_by: E1, reason: 'retry', detail: '' })
      .thenRefused('event_not_allowed');
  });
});

describe('UnparkRun', () => {
  const unpark = (reason: ParkReason): Command => ({ type: 'UnparkRun', reason });

  it('queues a run again after a handover', () => {
    const { run } = given(...running, parked('handover'))
      .when(unpark('handover'))
      .thenEvents(['run.unparked', { reason: 'handover', dispatch: 2 }]);
    expect(run).toMatchObject({ status: 'queued', waiting_on: null, dispatch: 2, attempt: 1 });
  });
  it('queues a run again by hand, or when the tree has money again', () => {
    given(...running, parked('retry'))
      .when({ ...unpark('retry'), by: ANNA } as Command)
      .thenEvents(['run.unparked', { by: ANNA }]);
    const { run } = given(...running, limitReached('tree'), parked('budget'))
      .when(unpark('budget'))
      .thenEvents('run.unparked');
    expect(run.limit_reached).toBeNull();
  });
  it('changes nothing when repeated', () => {
    given(...running, parked('handover'), unparked('handover'))
      .when(unpark('handover'))
      .thenNothing();
  });
  it('is refused for what the run does not wait for', () => {
    given(...running, parked('handover'))
      .when(unpark('retry'))
      .thenRefused('run_not_waiting');
    given(...running)
      .when(unpark('handover'))
      .thenRefused('run_not_waiting');
    given(requested()).when(unpark('handover')).thenRefused('run_not_waiting');
  });
  it('is refused while what it waits for is still to come', () => {
    given(...running, spawned(), parked('children'))
      .when(unpark('children'))
      .thenRefused('children_live');
    given(...running, approvalRequested(), parked('approval'))
      .when(unpark('approval'))
      .thenRefused('event_not_allowed');
    given(...running, called(), unknown(), parked('unknown_outcome'))
      .when(unpark('unknown_outcome'))
      .thenRefused('event_not_allowed');
    given(...running, pauseRequested(), parked('pause'))
      .when(unpark('pause'))
      .thenRefused('event_not_allowed');
    given(...running, spawned(), parked('handover'), stopRequested())
      .when(unpark('handover'))
      .thenRefused('run_stopping');
  });
});

describe('ScheduleRetry', () => {
  const retry: Command = { type: 'ScheduleRetry', held_by: E1, error: { code: 'x', detail: 'flaky' }, timer };

  it('counts the failure and waits for the timer', () => {
    const { run } = given(...running)
      .when(retry)
      .thenEvents(['retry.scheduled', { attempt: 1, timer }], ['run.parked', { reason: 'retry', timer }]);
    expect(run).toMatchObject({ status: 'waiting', waiting_on: 'retry', failed_attempts: 1, timer });
  });
  it('changes nothing when repeated', () => {
    given(...running)
      .when(retry)
      .thenEvents('retry.scheduled', 'run.parked')
      .when(retry)
      .thenNothing();
  });
  it('is refused at the last of max_attempts', () => {
    const failedOnce = draft('retry.scheduled', { attempt: 1, error: { code: 'x', detail: '' }, timer });
    given(...running, failedOnce)
      .when(retry)
      .thenEvents('retry.scheduled', 'run.parked');
    given(...running, failedOnce, failedOnce)
      .when(retry)
      .thenRefused('limit_reached');
  });
  it('is refused to another than the holder, and while the run stops', () => {
    given(...running)
      .when({ ...retry, held_by: E2 })
      .thenRefused('not_the_holder');
    given(...running, stopRequested())
      .when(retry)
      .thenRefused('run_stopping');
  });
});

describe('FireRetry', () => {
  const fire: Command = { type: 'FireRetry', timer_id: 't1' };

  it('queues the run again', () => {
    expect(
      given(...running, parked('retry'))
        .when(fire)
        .thenEvents(['run.unparked', { reason: 'retry', dispatch: 2 }]).run.timer,
    ).toBeNull();
  });
  it('is refused when repeated', () => {
    given(...running, parked('retry'))
      .when(fire)
      .thenEvents('run.unparked')
      .when(fire)
      .thenRefused('timer_superseded');
  });
  it('is refused for another timer, and for a run that does not wait for one', () => {
    given(...running, parked('retry'))
      .when({ ...fire, timer_id: 't0' })
      .thenRefused('timer_superseded');
    given(...running)
      .when(fire)
      .thenRefused('timer_superseded');
  });
});

describe('EndChild', () => {
  const end = (child_run_id = 'K1'): Command => ({
    type: 'EndChild',
    child_run_id,
    status: 'success',
    result: 7,
  });

  it('is recorded whatever the parent is doing', () => {
    for (const more of [
      [],
      [parked('handover')],
      [parked('handover'), unparked('handover')],
      [stopRequested()],
    ]) {
      const { run } = given(...running, spawned(), ...more)
        .when(end())
        .thenEvents(['child.ended', { status: 'success', result: 7 }]);
      expect(run.children[0]?.status).toBe('success');
    }
  });
  it('queues the parent again with the last child that it waits for', () => {
    given(...running, spawned(), spawned('K2'), parked('children'))
      .when(end())
      .thenEvents('child.ended')
      .when(end('K2'))
      .thenEvents('child.ended', ['run.unparked', { reason: 'children', dispatch: 2 }]);
  });
  it('ends a stop that nobody holds', () => {
    const { run } = given(
      ...running,
      spawned(),
      spawned('K2'),
      parked('children'),
      stopRequested(),
      stopObserved(),
    )
      .when(end())
      .thenEvents('child.ended')
      .when(end('K2'))
      .thenEvents('child.ended', ['run.stopped', { by: ANNA, reason: 'enough' }]);
    expect(run.status).toBe('stopped');
  });
  it('changes nothing when repeated', () => {
    given(...running, spawned(), childEnded())
      .when(end())
      .thenNothing();
  });
  it('is refused for an unknown child, and by a parent that has ended', () => {
    given(...running)
      .when(end())
      .thenRefused('child_unknown');
    given(...running, spawned(), succeeded())
      .when(end())
      .thenRefused('run_already_ended');
  });
});

describe('DecideApproval', () => {
  const approve: Command = {
    type: 'DecideApproval',
    approval_id: 'A1',
    decision: 'approve',
    by: BEN,
    channel: 'console',
    reason: 'fine',
    scope: 'once',
  };

  it('queues a run again that waits for it', () => {
    const { run } = given(...running, approvalRequested(), parked('approval'))
      .when(approve)
      .thenEvents(
        ['approval.decided', { decision: 'approve', by: BEN }],
        ['run.unparked', { reason: 'approval' }],
      );
    expect(run.approvals[0]).toMatchObject({ state: 'approve', decided_by: 'ben' });
  });
  it('is recorded in a run that has not parked yet, which then need not', () => {
    given(...running, approvalRequested())
      .when(approve)
      .thenEvents('approval.decided')
      .when(park('approval'))
      .thenRefused('condition_already_met');
  });
  it('leaves a run waiting whose other approvals are open', () => {
    given(...running, approvalRequested(), approvalRequested('A2'), parked('approval'))
      .when(approve)
      .thenEvents('approval.decided');
  });
  it('changes nothing when repeated', () => {
    given(...running, approvalRequested())
      .when(approve)
      .thenEvents('approval.decided')
      .when(approve)
      .thenNothing();
  });
  it('is refused after another answer, for an unknown approval, and while the run stops', () => {
    const decided = given(...running, approvalRequested())
      .when(approve)
      .thenEvents('approval.decided');
    decided.when({ ...approve, decision: 'deny' }).thenRefused('approval_already_decided');
    decided.when({ ...approve, by: ANNA }).thenRefused('approval_already_decided');
    given(...running)
      .when(approve)
      .thenRefused('approval_unknown');
    given(...running, approvalRequested(), stopRequested())
      .when(approve)
      .thenRefused('run_stopping');
  });
});

describe('ExpireApproval', () => {
  const expire: Command = { type: 'ExpireApproval', approval_id: 'A1' };

  it('queues a run again that waits for it', () => {
    expect(
      given(...running, approvalRequested(), parked('approval'))
        .when(expire)
        .thenEvents('approval.expired', 'run.unparked').run.approvals[0]?.state,
    ).toBe('expired');
  });
  it('changes nothing when repeated', () => {
    given(...running, approvalRequested())
      .when(expire)
      .thenEvents('approval.expired')
      .when(expire)
      .thenNothing();
  });
  it('is refused after an answer, and for an unknown approval', () => {
    const decided = draft('approval.decided', {
      approval_id: 'A1',
      decision: 'deny',
      by: ANNA,
      channel: 'cli',
      reason: '',
      scope: 'once',
    });
    given(...running, approvalRequested(), decided)
      .when(expire)
      .thenRefused('approval_already_decided');
    given(...running)
      .when(expire)
      .thenRefused('approval_unknown');
  });
});

describe('ResolveOutcome', () => {
  const resolve: Command = {
    type: 'ResolveOutcome',
    call_id: 'c1',
    by: ANNA,
    choice: 'mark_done',
    result: { paid: true },
  };

  it('queues a run again that waits for it; the call stays open until its return is recorded', () => {
    const { run } = given(...running, called(), unknown(), parked('unknown_outcome'))
      .when(resolve)
      .thenEvents(
        ['outcome.resolved', { choice: 'mark_done', result: { paid: true } }],
        ['run.unparked', { reason: 'unknown_outcome' }],
      );
    expect(run.open_calls[0]?.state).toBe('called');
  });
  it('leaves a run waiting whose other calls are unknown', () => {
    given(...running, called(), called('c2'), unknown(), unknown('c2'), parked('unknown_outcome'))
      .when(resolve)
      .thenEvents('outcome.resolved');
  });
  it('is refused when repeated', () => {
    given(...running, called(), unknown())
      .when(resolve)
      .thenEvents('outcome.resolved')
      .when(resolve)
      .thenRefused('outcome_not_unknown');
  });
  it('is refused for a call that is not open, or not in question', () => {
    given(...running)
      .when(resolve)
      .thenRefused('call_unknown');
    given(...running, called())
      .when(resolve)
      .thenRefused('outcome_not_unknown');
    given(...running, called(), unknown(), stopRequested())
      .when(resolve)
      .thenRefused('run_stopping');
  });
});
