import { describe, expect, it } from '@jest/globals';
import { restore } from '@runledger/run';
import type { Command } from '@runledger/run';
import { given } from './given-when-then.ts';
import {
  ANNA,
  E1,
  E2,
  approvalRequested,
  begin,
  everyCommand,
  failed,
  failure,
  log,
  milestone,
  parked,
  request,
  requested,
  spawned,
  started,
  stopObserved,
  stopRequested,
  stopped,
  succeeded,
  unparked,
  draft,
} from './sample-events.ts';

describe('StartRun', () => {
  const start: Command = { type: 'StartRun', request: request({ workspace_id: 'w1' }) };

  it('queues a run that does not exist', () => {
    const { run } = given()
      .when(start)
      .thenEvents(['run.requested', { agent_id: 'ticker' }]);
    expect(run).toMatchObject({
      status: 'queued',
      seq: 1,
      dispatch: 0,
      attempt: 0,
      tenant_id: 'local',
      workspace_id: 'w1',
    });
  });
  it('is refused when repeated, and on a run that has ended', () => {
    given(requested()).when(start).thenRefused('run_already_exists');
    given(requested(), failed()).when(start).thenRefused('run_already_exists');
  });
});

describe('StopAbsentChild', () => {
  const stop: Command = {
    type: 'StopAbsentChild',
    request: request(),
    by: ANNA,
    mode: 'kill',
    reason: 'enough',
    cascade_from: 'P',
  };

  it('creates and stops a run at once, so that its creation comes too late', () => {
    const story = given()
      .when(stop)
      .thenEvents(
        'run.requested',
        ['stop.requested', { cascade_from: 'P' }],
        ['stop.observed', { boundary: 'absent', in_flight: [], latency_ms: 0 }],
        'run.stopped',
      );
    expect(story.run.status).toBe('stopped');
    story.when({ type: 'StartRun', request: request() }).thenRefused('run_already_exists');
  });
  it('is refused when repeated', () => {
    given()
      .when(stop)
      .thenEvents('run.requested', 'stop.requested', 'stop.observed', 'run.stopped')
      .when(stop)
      .thenRefused('run_already_exists');
  });
  it('is refused for a child that was created after all', () => {
    given(requested()).when(stop).thenRefused('run_already_exists');
  });
});

describe('BeginAttempt', () => {
  it('starts a queued run', () => {
    const { run } = given(requested())
      .when(begin())
      .thenEvents(['run.started', { attempt: 1, dispatch: 1 }]);
    expect(run).toMatchObject({
      status: 'running',
      attempt: 1,
      dispatch: 1,
      holder: { executor: 'e1', attempt: 1, work_seq: 11 },
    });
  });
  it('starts a run that was queued again at its next dispatch', () => {
    const story = given(requested(), started(), parked('handover'), unparked('handover'));
    story.when(begin({ dispatch: 2 })).thenEvents(['run.started', { attempt: 2, dispatch: 2 }]);
    story.when(begin({ dispatch: 1, delivery: 2 })).thenRefused('stale_dispatch');
  });
  it('changes nothing when the holder repeats it', () => {
    given(requested(), started()).when(begin()).thenNothing();
  });
  it('is refused when somebody holds the run and is not said to be lost', () => {
    given(requested(), started())
      .when(begin({ executor: 'e2', delivery: 2 }))
      .thenRefused('not_the_holder');
  });
  it('is refused for a delivery that is not after that of the holder', () => {
    const held = given(requested(), started(1, 1, { delivery: 3 }));
    held.when(begin({ executor: 'e2', delivery: 3, lost: 'lease_expired' })).thenRefused('not_the_holder');
    held.when(begin({ executor: 'e2', delivery: 2, lost: 'lease_expired' })).thenRefused('not_the_holder');
  });
  it('takes over from a holder that is lost', () => {
    const { run } = given(requested(), started())
      .when(begin({ executor: 'e2', delivery: 2, lost: 'lease_expired' }))
      .thenEvents(
        ['attempt.lost', { attempt: 1, executor: 'e1', reason: 'lease_expired' }],
        ['run.started', { attempt: 2, delivery: 2 }],
      );
    expect(run).toMatchObject({
      status: 'running',
      attempt: 2,
      lost_in_a_row: 1,
      holder: { executor: 'e2', attempt: 2 },
    });
  });
  it('takes over with a higher dispatch: the earlier message is gone', () => {
    given(requested(), started())
      .when(begin({ executor: 'e2', dispatch: 2, work_seq: 12 }))
      .thenEvents(['attempt.lost', { reason: 'unreachable' }], ['run.started', { dispatch: 2 }]);
  });
  it('goes on with a stop that the lost holder did not finish', () => {
    const { run } = given(requested(), started(), stopRequested())
      .when(begin({ executor: 'e2', delivery: 2, lost: 'unreachable' }))
      .thenEvents('attempt.lost', 'run.started');
    expect(run).toMatchObject({ status: 'stopping', holder: { executor: 'e2' } });
  });
  it('is refused while a run waits, and where nobody has to hold it', () => {
    given(requested(), started(), parked('handover'))
      .when(begin({ delivery: 2 }))
      .thenRefused('stale_dispatch');
    given(requested(), started(), parked('handover'))
      .when(begin({ dispatch: 2 }))
      .thenRefused('run_not_running');
    given(requested(), started(), spawned(), parked('children'), stopRequested())
      .when(begin({ delivery: 2 }))
      .thenRefused('run_stopping');
  });
  it('is refused for a run that does not exist, or has ended', () => {
    given().when(begin()).thenRefused('run_not_found');
    given(requested(), stopRequested(), stopped()).when(begin()).thenRefused('run_already_ended');
  });
  it('gives up at the twentieth loss in a row without a recorded step', () => {
    const losses = Array.from({ length: 19 }, (_, n) => [
      draft('attempt.lost', { attempt: n + 1, executor: `e${n + 1}`, reason: 'lease_expired' }),
      started(n + 2, 1, { delivery: n + 2 }),
    ]).flat();
    const takeover = begin({ executor: 'last', delivery: 99, lost: 'lease_expired' });
    const { run } = given(requested(), started(), ...losses)
      .when(takeover)
      .thenEvents('attempt.lost', ['run.failed', { error: { code: 'executor_lost' } }]);
    expect(run.status).toBe('error');
    given(requested(), started(), ...losses, milestone())
      .when(takeover)
      .thenEvents('attempt.lost', 'run.started');
    given(requested(), started(), ...losses, log())
      .when(takeover)
      .thenEvents('attempt.lost', 'run.failed');
  });
});

describe('SucceedRun', () => {
  const succeed: Command = {
    type: 'SucceedRun',
    held_by: E1,
    result: { ticks: 3 },
    schema_warnings: ['extra field'],
  };

  it('ends the run', () => {
    const { run } = given(requested(), started())
      .when(succeed)
      .thenEvents(['run.succeeded', { result: { ticks: 3 }, schema_warnings: ['extra field'] }]);
    expect(run).toMatchObject({ status: 'success', holder: null, ended_at: expect.any(String) });
  });
  it('is refused when repeated', () => {
    given(requested(), started(), succeeded()).when(succeed).thenRefused('run_already_ended');
  });
  it('is refused to another than the holder', () => {
    given(requested(), started())
      .when({ ...succeed, held_by: E2 })
      .thenRefused('not_the_holder');
    given(requested(), started())
      .when({ ...succeed, held_by: { executor: 'e2', attempt: 1 } })
      .thenRefused('not_the_holder');
    given(requested()).when(succeed).thenRefused('not_the_holder');
  });
  it('wins over a stop until the stop has been observed', () => {
    given(requested(), started(), stopRequested()).when(succeed).thenEvents('run.succeeded');
    given(requested(), started(), stopRequested(), stopObserved()).when(succeed).thenRefused('run_stopping');
  });
});

describe('FailRun', () => {
  const fail: Command = { type: 'FailRun', held_by: E1, error: failure };
  const giveUp: Command = { type: 'FailRun', error: failure };

  it('ends the run of its holder', () => {
    expect(
      given(requested(), started())
        .when(fail)
        .thenEvents(['run.failed', { error: failure }]).run.status,
    ).toBe('error');
  });
  it('ends a run that nobody holds, for a service', () => {
    given(requested()).when(giveUp).thenEvents('run.failed');
    given(requested(), started(), approvalRequested(), parked('approval'))
      .when(giveUp)
      .thenEvents('run.failed');
  });
  it('is refused when repeated', () => {
    given(requested(), started(), failed()).when(fail).thenRefused('run_already_ended');
  });
  it('is refused to another than the holder, services included', () => {
    given(requested(), started())
      .when({ ...fail, held_by: E2 })
      .thenRefused('not_the_holder');
    given(requested(), started()).when(giveUp).thenRefused('not_the_holder');
  });
  it('is refused once a stop has been observed, and to a service while the run stops', () => {
    given(requested(), started(), stopRequested()).when(fail).thenEvents('run.failed');
    given(requested(), started(), stopRequested(), stopObserved()).when(fail).thenRefused('run_stopping');
    given(requested(), started(), stopRequested()).when(giveUp).thenRefused('run_stopping');
  });
});

describe('CheckpointRun', () => {
  const check: Command = { type: 'CheckpointRun', held_by: E1 };

  it('writes the folded run down', () => {
    const story = given(requested(), started());
    const { run } = story.when(check).thenEvents('run.checkpointed');
    expect(run).toEqual({ ...story.run, seq: 3, checkpoint_seq: 3 });
    story.when(check).thenEvents(['run.checkpointed', { version: 2 }]);
  });
  it('changes nothing when repeated', () => {
    given(requested(), started()).when(check).thenEvents('run.checkpointed').when(check).thenNothing();
  });
  it('changes nothing when the state is too large', () => {
    const many = Array.from({ length: 400 }, (_, n) => spawned(`child-${n}-${'x'.repeat(60)}`));
    given(requested(), started(), ...many)
      .when(check)
      .thenNothing();
  });
  it('is refused to another than the holder', () => {
    given(requested(), started())
      .when({ ...check, held_by: E2 })
      .thenRefused('not_the_holder');
  });
  it('is ignored where its version is not current', () => {
    const { run } = given(requested(), started());
    expect(restore(JSON.parse(JSON.stringify(run)), 2)).toEqual(run);
    expect(restore(JSON.parse(JSON.stringify(run)), 1)).toBeUndefined();
    expect(restore({ ...run, status: 'asleep' }, 2)).toBeUndefined();
    expect(restore({ ...run, children: null }, 2)).toBeUndefined();
    expect(restore(null, 2)).toBeUndefined();
  });
});

describe('an ended run', () => {
  it.each(everyCommand.map((command) => [command.type, command] as const))('refuses %s', (_type, command) => {
    const code =
      command.type === 'StartRun' || command.type === 'StopAbsentChild'
        ? 'run_already_exists'
        : 'run_already_ended';
    for (const end of [succeeded(), failed(), stopped()])
      given(requested(), started(), spawned(), end).when(command).thenRefused(code);
  });
});
