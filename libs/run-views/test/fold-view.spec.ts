import { describe, expect, it } from '@jest/globals';
import {
  foldEvents,
  foldView,
  OPEN_APPROVALS_CAP,
  OPS_LOG_CAP,
  placeInView,
  summarise,
} from '../src/index.ts';
import { eventOf, history, RUN_ID, SAMPLES, stamp, TYPES } from './run-history.ts';

describe('a view before its run', () => {
  it('is absent until run.requested, whatever else arrives', () => {
    expect(foldView(undefined, eventOf(1, 'run.started'))).toBeUndefined();
    expect(foldEvents([])).toBeUndefined();
  });

  it('shows what was asked for', () => {
    expect(foldEvents(history())).toMatchObject({
      run_id: RUN_ID,
      tenant_id: 'acme',
      user_id: 'ada',
      workspace_id: 'lab',
      agent_id: 'hello',
      agent_name: 'Hello',
      agent_revision: 3,
      channel: 'cli',
      status: 'queued',
      input: { message: 'hi' },
      result: null,
      error: null,
      created_at: stamp(1),
      started_at: null,
      attempt: 0,
      seq: 1,
      limits: SAMPLES['run.requested'].limits,
      labels: { ticket: 'T-1' },
      priority: 2,
      parent_run_id: null,
      root_run_id: RUN_ID,
      forked_from: null,
      trace: true,
    });
  });

  it('names parent and fork', () => {
    const requested = eventOf(1, 'run.requested', {
      parent: { run_id: 'P', call_id: 'c' },
      forked_from: { run_id: 'F', seq: 4 },
    });
    expect(foldEvents([requested])).toMatchObject({
      parent_run_id: 'P',
      forked_from: { run_id: 'F', seq: 4 },
    });
  });
});

describe('open approvals of a view', () => {
  const asked = (seq: number, approval_id: string, data: object = {}) =>
    eventOf(seq, 'approval.requested', { ...SAMPLES['approval.requested'], approval_id, ...data });
  const decided = (seq: number, type: 'approval.decided' | 'approval.expired', approval_id: string) =>
    eventOf(seq, type, { ...SAMPLES[type], approval_id });
  const begun = [eventOf(1, 'run.requested'), eventOf(2, 'run.started')];
  const idsAfter = (...events: Parameters<typeof foldEvents>[0]): string[] => {
    const view = foldEvents([...begun, ...events]);
    expect(view && summarise(view).open_approvals).toBe(view?.open_approvals.length);
    return view?.open_approvals.map(({ approval_id }) => approval_id) ?? [];
  };

  it('are those that nobody has decided, oldest first', () => {
    const both = [asked(3, 'a'), asked(4, 'b')];
    expect(idsAfter(...both)).toEqual(['a', 'b']);
    expect(idsAfter(...both, decided(5, 'approval.decided', 'a'))).toEqual(['b']);
    expect(
      idsAfter(...both, decided(5, 'approval.expired', 'b'), decided(6, 'approval.decided', 'x')),
    ).toEqual(['a']);
    expect(idsAfter(...both, asked(5, 'a'))).toEqual(['b', 'a']);
  });

  it.each(['stop.requested', 'run.failed', 'run.stopped'] as const)('are gone after %s', (type) => {
    expect(idsAfter(asked(3, 'a'), eventOf(4, type))).toEqual([]);
  });

  it('show what is asked for, with a beginning of long arguments, and have an end', () => {
    const [approval] =
      foldEvents([...begun, asked(3, 'a', { args: { text: 'x'.repeat(500) } })])?.open_approvals ?? [];
    const { call_id, name, args_sha256, reason, severity, due_at } = SAMPLES['approval.requested'];
    const args_preview = `{"text":"${'x'.repeat(191)}`;
    expect(approval).toEqual({
      ...{ seq: 3, approval_id: 'a', requested_at: stamp(3) },
      ...{ call_id, name, args_preview, args_sha256, reason, severity, due_at },
    });
    const many = Array.from({ length: OPEN_APPROVALS_CAP + 5 }, (_, at) => asked(3 + at, `a${at}`));
    expect(idsAfter(...many)).toHaveLength(OPEN_APPROVALS_CAP);
  });
});

describe('the status of a view', () => {
  const statusAfter = (...types: Parameters<typeof history>) => {
    const view = foldEvents(history(...types));
    return [view?.status, view?.waiting_on];
  };

  it.each([
    [['run.started'], 'running', null],
    [['run.started', 'run.parked'], 'waiting', 'approval'],
    [['run.started', 'run.parked', 'run.unparked'], 'queued', null],
    [['run.started', 'stop.requested'], 'stopping', null],
    [['run.started', 'stop.requested', 'attempt.lost', 'run.started'], 'stopping', null],
    [['run.started', 'run.succeeded'], 'success', null],
    [['run.started', 'run.failed'], 'error', null],
    [['stop.requested', 'run.stopped'], 'stopped', null],
    [['run.started', 'run.succeeded', 'stop.requested'], 'success', null],
  ] as const)('after %j is %s', (types, status, waitingOn) => {
    expect(statusAfter(...types)).toEqual([status, waitingOn]);
  });
});

describe('the end of a run', () => {
  it('measures from the first start by the recorded stamps, over later attempts', () => {
    const view = foldEvents(history('run.started', 'attempt.lost', 'run.started', 'run.succeeded'));
    expect(view).toMatchObject({
      started_at: stamp(2),
      completed_at: stamp(5),
      duration_ms: 3_000,
      result: { reply: 'hi' },
      schema_warnings: ['missing required output keys: a'],
    });
  });

  it('measures over midnight, a leap day and a new year', () => {
    const between = (from: string, to: string) =>
      foldEvents([
        eventOf(1, 'run.requested'),
        { ...eventOf(2, 'run.started'), at: from },
        { ...eventOf(3, 'run.succeeded'), at: to },
      ])?.duration_ms;
    for (const [from, to] of [
      ['2027-12-31T23:59:59.999Z', '2028-03-01T00:00:00.001Z'],
      ['2028-02-28T12:00:00.000Z', '2028-03-01T12:00:00.500Z'],
      ['2100-02-28T00:00:00.000Z', '2100-03-01T00:00:00.000Z'],
    ] as const)
      expect(between(from, to)).toBe(Date.parse(to) - Date.parse(from));
    expect(between('yesterday', '2028-03-01T12:00:00.500Z')).toBeNull();
  });

  it('has no duration when nothing was started', () => {
    expect(foldEvents(history('stop.requested', 'run.stopped'))?.duration_ms).toBeNull();
  });

  it('shows the error as recorded', () => {
    expect(foldEvents(history('run.started', 'run.failed'))?.error).toEqual(SAMPLES['run.failed'].error);
  });
});

describe('what a run used', () => {
  it('adds turns, steps and other costs without rounding', () => {
    const view = foldEvents(history('run.started', 'turn.completed', 'step.completed', 'cost.added'));
    expect(view?.usage).toEqual({
      turns: 1,
      input_tokens: 300,
      output_tokens: 60,
      cost_usd: 0.125,
      cost_usd_exact: '0.125',
    });
  });

  it('keeps ten thousand tenths of a cent exact', () => {
    const usage = { ...SAMPLES['cost.added'].usage, cost_usd: '0.001' };
    const events = [
      eventOf(1, 'run.requested'),
      ...Array.from({ length: 10_000 }, (_, i) => eventOf(i + 2, 'cost.added', { usage })),
    ];
    expect(foldEvents(events)?.usage).toMatchObject({ cost_usd: 10, cost_usd_exact: '10' });
  });

  it('raises only the limits that were given', () => {
    expect(foldEvents(history('run.started', 'limits.raised'))?.limits).toEqual({
      ...SAMPLES['run.requested'].limits,
      max_turns: 20,
    });
  });
});

describe('a stop', () => {
  it('keeps the first request, with the mode of the last', () => {
    const view = foldEvents([
      ...history('run.started', 'stop.requested'),
      eventOf(4, 'stop.requested', { mode: 'kill', reason: 'now' }),
    ]);
    expect(view?.stop).toEqual({ mode: 'kill', reason: 'enough', requested_at: stamp(3) });
  });
});

describe('recent progress', () => {
  it('is the newest tool call or turn, and the newest milestone', () => {
    expect(
      foldEvents(history('run.started', 'turn.started', 'tool.called', 'milestone.reached')),
    ).toMatchObject({
      current: 'Bash tool call',
      last_milestone: { name: 'cloned', at: stamp(5) },
      last_event_at: stamp(5),
    });
    expect(foldEvents(history('run.started', 'tool.called', 'turn.started'))?.current).toBe('Turn 1');
  });

  it('keeps the newest operations and counts the older ones', () => {
    const events = [
      eventOf(1, 'run.requested'),
      ...Array.from({ length: OPS_LOG_CAP + 3 }, (_, i) => eventOf(i + 2, 'data.accessed', { key: `k${i}` })),
    ];
    const view = foldEvents(events);
    expect(view?.ops_log).toHaveLength(OPS_LOG_CAP);
    expect(view?.ops_log_dropped).toBe(3);
    expect(view?.ops_log[0]).toMatchObject({
      seq: 5,
      op: 'get',
      namespace: 'notes',
      key: 'k3',
      found: true,
      count: null,
    });
    expect(view?.ops_log.at(-1)?.key).toBe(`k${OPS_LOG_CAP + 2}`);
  });
});

describe('the place of an event', () => {
  it('an event that the view holds changes nothing', () => {
    const view = foldEvents(history('run.started', 'run.parked'));
    expect(foldView(view, eventOf(2, 'run.succeeded'))).toBe(view);
  });

  it('tells next, held and hole apart', () => {
    expect(placeInView(undefined, 1, 2)).toBe('next');
    expect(placeInView(undefined, 2, 2)).toBe('hole');
    expect(placeInView({ seq: 4 }, 5, 9)).toBe('next');
    expect(placeInView({ seq: 4 }, 3, 4)).toBe('held');
    expect(placeInView({ seq: 4 }, 3, 6)).toBe('hole');
    expect(placeInView({ seq: 4 }, 6, 6)).toBe('hole');
  });

  it('every type of the catalogue folds', () => {
    for (const type of TYPES.filter((name) => name !== 'run.requested'))
      expect(foldEvents(history('run.started', type))).toMatchObject({ seq: 3, last_event_at: stamp(3) });
  });
});

it('a summary leaves out what is big', () => {
  const view = foldEvents(history('run.started', 'run.failed'));
  const row = view && summarise(view);
  expect(row).toMatchObject({
    run_id: RUN_ID,
    status: 'error',
    error: { code: 'agent_error', title: 'Agent errored' },
    seq: 3,
  });
  expect(Object.keys(row ?? {})).not.toEqual(expect.arrayContaining(['input']));
  expect(row).not.toHaveProperty('result');
  expect(row?.error).not.toHaveProperty('detail');
});
