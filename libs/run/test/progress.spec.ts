import { describe, expect, it } from '@jest/globals';
import type { Command, DraftEvent } from '@runledger/run';
import { given } from './given-when-then.ts';
import {
  E1,
  E2,
  approvalRequested,
  called,
  childEnded,
  draft,
  limitReached,
  log,
  milestone,
  nudged,
  parked,
  requested,
  returned,
  spawned,
  started,
  stopObserved,
  stopRequested,
  succeeded,
  unknown,
} from './sample-events.ts';

const record = (...events: DraftEvent[]): Command => ({ type: 'RecordProgress', held_by: E1, events });
const running = [requested(), started()];
const usage = { input_tokens: 1, output_tokens: 1, cached_tokens: 0, cost_usd: '0.01' };
const turnStarted = draft('turn.started', { turn: 1, model: 'offline/hello' });
const turnCompleted = draft('turn.completed', {
  turn: 1,
  model: 'offline/hello',
  finish_reason: 'stop',
  usage,
  message: null,
});
const textAppended = draft('text.appended', { turn: 1, message_id: 'm', channel: 'text', text: 'Hi' });
const stepCompleted = draft('step.completed', {
  index: 1,
  kind: 'step',
  name: 's',
  signature: 'x',
  result: 1,
  is_error: false,
  duration_ms: 1,
});
const dataAccessed = draft('data.accessed', { index: 1, op: 'get', namespace: 'n', key: 'k', found: false });
const costAdded = draft('cost.added', { source: 'model', usage });
const acknowledged = draft('nudge.acknowledged', { nudge_id: 'N1', turn: 2 });

describe('RecordProgress', () => {
  it('keeps the order of what the holder reports', () => {
    const { run } = given(...running)
      .when(
        record(
          turnStarted,
          textAppended,
          turnCompleted,
          called(),
          returned(),
          stepCompleted,
          milestone(),
          log(),
          costAdded,
          dataAccessed,
        ),
      )
      .thenEvents(
        'turn.started',
        'text.appended',
        'turn.completed',
        'tool.called',
        'tool.returned',
        'step.completed',
        'milestone.reached',
        'log.written',
        'cost.added',
        'data.accessed',
      );
    expect(run).toMatchObject({ status: 'running', turns: 1, open_calls: [], seq: 12 });
  });
  it('appends nothing for nothing', () => {
    given(...running)
      .when(record())
      .thenNothing();
  });
  it('is refused to another than the holder', () => {
    given(...running)
      .when({ type: 'RecordProgress', held_by: E2, events: [log()] })
      .thenRefused('not_the_holder');
    given(requested()).when(record(log())).thenRefused('not_the_holder');
    const earlier = { executor: 'e1', attempt: 1 };
    given(requested(), started(), started(2, 1, { executor: 'e1' }))
      .when({ type: 'RecordProgress', held_by: earlier, events: [log()] })
      .thenRefused('not_the_holder');
    given(requested(), started(), started(2)).when(record(log())).thenRefused('not_the_holder');
  });
  it('is refused once the run is parked or over', () => {
    given(...running, parked('handover'))
      .when(record(log()))
      .thenRefused('not_the_holder');
    given(...running, succeeded())
      .when(record(log()))
      .thenRefused('run_already_ended');
  });
  it.each([
    requested(),
    started(),
    succeeded(),
    parked('handover'),
    stopRequested(),
    stopObserved(),
    nudged(),
  ])('is refused for $type, which is not progress', (event) => {
    given(...running)
      .when(record(log(), event))
      .thenRefused('event_not_allowed');
  });
  it('is refused whole for unknown types and data that are not what the type says', () => {
    given(...running)
      .when(record(log(), { type: 'toast.burnt', data: {} } as unknown as DraftEvent))
      .thenRefused('event_not_allowed');
    given(...running)
      .when(record({ type: 'tool.called', data: { call_id: 7 } } as unknown as DraftEvent))
      .thenRefused('event_not_allowed');
    given(...running)
      .when(record({ type: 'log.written', data: null } as unknown as DraftEvent))
      .thenRefused('event_not_allowed');
  });
});

describe('RecordProgress while a stop is on its way', () => {
  const stopping = [...running, called(), spawned(), stopRequested()];

  it.each([
    turnCompleted,
    textAppended,
    returned(),
    stepCompleted,
    milestone(),
    log(),
    costAdded,
    dataAccessed,
    childEnded(),
  ])('takes $type, which has happened', (event) => {
    expect(
      given(...stopping)
        .when(record(event))
        .thenEvents(event.type).run.status,
    ).toBe('stopping');
    given(...stopping, stopObserved())
      .when(record(event))
      .thenEvents(event.type);
  });
  it.each([
    turnStarted,
    called('c2'),
    spawned('K2'),
    acknowledged,
    approvalRequested(),
    unknown(),
    limitReached(),
  ])('refuses $type, which would be new', (event) => {
    given(...stopping, nudged())
      .when(record(event))
      .thenRefused('run_stopping');
  });
});

describe('RecordProgress of calls', () => {
  it('opens and closes a call', () => {
    const open = given(...running)
      .when(record(called()))
      .thenEvents('tool.called');
    expect(open.run.open_calls).toEqual([
      { call_id: 'c1', index: 1, name: 'pay', idempotent: false, state: 'called' },
    ]);
    expect(open.when(record(returned())).thenEvents('tool.returned').run.open_calls).toEqual([]);
  });
  it('opens a call once', () => {
    given(...running, called())
      .when(record(called(), log()))
      .thenEvents('log.written');
  });
  it('is refused for the return of a call that is not open, unless it was denied', () => {
    given(...running)
      .when(record(returned()))
      .thenRefused('call_unknown');
    given(...running, called(), returned())
      .when(record(returned()))
      .thenRefused('call_unknown');
    given(...running)
      .when(record(returned('c1', 'denied')))
      .thenEvents('tool.returned');
  });
  it('marks a call as unknown, once, and only an open one', () => {
    const story = given(...running, called())
      .when(record(unknown()))
      .thenEvents('outcome.unknown');
    expect(story.run.open_calls[0]?.state).toBe('unknown');
    story.when(record(unknown())).thenNothing();
    given(...running)
      .when(record(unknown()))
      .thenRefused('call_unknown');
  });
});

describe('RecordProgress of children, approvals, nudges and limits', () => {
  it('lists a child once, and ends it once', () => {
    const story = given(...running)
      .when(record(spawned(), spawned('K2'), spawned()))
      .thenEvents('child.spawned', 'child.spawned');
    expect(story.run.children.map((child) => child.status)).toEqual(['live', 'live']);
    const after = story.when(record(childEnded(), childEnded())).thenEvents('child.ended');
    expect(after.run.children.map((child) => child.status)).toEqual(['success', 'live']);
    given(...running)
      .when(record(childEnded()))
      .thenRefused('child_unknown');
  });
  it('asks for an approval once', () => {
    const story = given(...running)
      .when(record(approvalRequested()))
      .thenEvents('approval.requested');
    expect(story.run.approvals[0]).toMatchObject({ approval_id: 'A1', state: 'open' });
    story.when(record(approvalRequested())).thenNothing();
  });
  it('acknowledges a nudge once', () => {
    const story = given(...running, nudged(), nudged('N2'))
      .when(record(acknowledged))
      .thenEvents('nudge.acknowledged');
    expect(story.run.nudges).toEqual([{ nudge_id: 'N2' }]);
    story.when(record(acknowledged)).thenNothing();
  });
  it('reports a limit once', () => {
    const story = given(...running)
      .when(record(limitReached()))
      .thenEvents('limit.reached');
    expect(story.run.limit_reached).toBe('max_cost_usd');
    story.when(record(limitReached())).thenNothing();
  });
});
