import { describe, expect, it } from '@jest/globals';
import type { AnyEvent, EventType } from '@runledger/run';
import fc from 'fast-check';
import type { AgUiEvent } from '../../src/ag-ui/ag-ui-event.ts';
import { translate } from '../../src/ag-ui/translate.ts';
import { beforeTheFirst } from '../../src/ag-ui/translation-state.ts';
import * as sample from './histories.ts';
import { translated, verified } from './verified.ts';

const { history, requested, started, text, RUN } = sample;
const typesOf = (events: AgUiEvent[]): string[] => events.map(({ type }) => type);
const flat = (events: AnyEvent[]): AgUiEvent[] => translated(events).flat();
const untimed = (events: AgUiEvent[]): object[] => events.map(({ timestamp: _at, ...event }) => event);
/** Without what AG-UI has no word for. */
const said = (events: AnyEvent[]): object[] =>
  untimed(flat(events)).filter((event) => !['CUSTOM', 'STATE_DELTA'].includes((event as AgUiEvent).type));

describe('a run in AG-UI', () => {
  it.each(sample.recordedHistories())(
    '$name is taken by the verifier, ends, and is alike every time',
    async ({ events }) => {
      const once = flat(events);
      expect(await verified(once)).toEqual(once);
      expect(['RUN_FINISHED', 'RUN_ERROR']).toContain(once.at(-1)?.type);
      expect(flat(events)).toEqual(once);
    },
  );

  it('streams a turn as one message, with its reasoning beside it, and closes both', () => {
    const events = history(
      requested(),
      started(),
      text('m1', 'hm', 'reasoning'),
      text('m1', 'Hel'),
      text('m1', 'lo'),
      sample.turnDone({ role: 'assistant', content: 'Hello' }),
      sample.succeeded,
    );
    const [text1, reasoning] = [`${RUN}:m1`, `${RUN}:m1-reasoning`];
    expect(said(events).slice(2)).toEqual([
      { type: 'REASONING_START', messageId: reasoning },
      { type: 'REASONING_MESSAGE_START', messageId: reasoning, role: 'reasoning' },
      { type: 'REASONING_MESSAGE_CONTENT', messageId: reasoning, delta: 'hm' },
      { type: 'TEXT_MESSAGE_START', messageId: text1, role: 'assistant' },
      { type: 'TEXT_MESSAGE_CONTENT', messageId: text1, delta: 'Hel' },
      { type: 'TEXT_MESSAGE_CONTENT', messageId: text1, delta: 'lo' },
      { type: 'REASONING_MESSAGE_END', messageId: reasoning },
      { type: 'REASONING_END', messageId: reasoning },
      { type: 'TEXT_MESSAGE_END', messageId: text1 },
      {
        type: 'RUN_FINISHED',
        threadId: RUN,
        runId: RUN,
        result: { reply: 'done' },
        outcome: { type: 'success' },
      },
    ]);
  });

  it('says the message of a turn that streamed nothing, and the result of a run that said nothing', () => {
    const whole = { role: 'assistant', content: [{ type: 'text', text: 'whole' }, { type: 'tool-call' }] };
    expect(said(history(requested(), sample.turnDone(whole), sample.succeeded)).slice(2, -1)).toEqual([
      { type: 'TEXT_MESSAGE_START', messageId: `${RUN}:turn-1`, role: 'assistant' },
      { type: 'TEXT_MESSAGE_CONTENT', messageId: `${RUN}:turn-1`, delta: 'whole' },
      { type: 'TEXT_MESSAGE_END', messageId: `${RUN}:turn-1` },
    ]);
    expect(said(history(requested(), sample.succeeded)).slice(2, -1)).toMatchObject([
      { messageId: `${RUN}:result` },
      { delta: '{"reply":"done"}' },
      { type: 'TEXT_MESSAGE_END' },
    ]);
  });

  it('gives a tool call whole, under the text of its turn, and its result with whether it failed', () => {
    const events = history(
      requested(),
      text('m1', 'I pay.'),
      sample.called('c1'),
      sample.returned('c1', { is_error: true, result: { why: 'no' } }),
      sample.succeeded,
    );
    expect(said(events).slice(4, 8)).toEqual([
      { type: 'TOOL_CALL_START', toolCallId: `${RUN}:c1`, toolCallName: 'pay', parentMessageId: `${RUN}:m1` },
      { type: 'TOOL_CALL_ARGS', toolCallId: `${RUN}:c1`, delta: '{"eur":1}' },
      { type: 'TOOL_CALL_END', toolCallId: `${RUN}:c1` },
      {
        type: 'TOOL_CALL_RESULT',
        messageId: `${RUN}:c1:result`,
        toolCallId: `${RUN}:c1`,
        content: '{"why":"no"}',
        role: 'tool',
        metadata: { is_error: true, outcome: 'done' },
      },
    ]);
  });

  it('an attempt that is lost closes its text; the next says it again under another id', () => {
    const lost = sample.THE_REST[0] as { type: string; data: unknown };
    const events = history(
      requested(),
      started(),
      text('t1-a1', 'Hel'),
      lost,
      started(2),
      text('t1-a2', 'Hello'),
    );
    expect(said(events).slice(2)).toMatchObject([
      { type: 'TEXT_MESSAGE_START', messageId: `${RUN}:t1-a1` },
      { type: 'TEXT_MESSAGE_CONTENT' },
      { type: 'TEXT_MESSAGE_END', messageId: `${RUN}:t1-a1` },
      { type: 'TEXT_MESSAGE_START', messageId: `${RUN}:t1-a2` },
      { type: 'TEXT_MESSAGE_CONTENT' },
    ]);
  });

  it('a stop is cancelled, a failure RUN_ERROR with the code of the run', () => {
    expect(said(history(requested(), sample.stopRequested, sample.stopped)).at(-1)).toEqual({
      type: 'RUN_FINISHED',
      threadId: RUN,
      runId: RUN,
      outcome: { type: 'cancelled' },
    });
    expect(said(history(requested(), sample.failed)).at(-1)).toEqual({
      type: 'RUN_ERROR',
      message: 'exit 1',
      code: 'tool_failed',
    });
  });

  it('children are subagents; one that goes on after the end is suspended', async () => {
    const events = history(
      requested(),
      sample.spawned('K1'),
      sample.spawned('K2'),
      sample.spawned('K3'),
      sample.spawned('K4'),
      sample.childEnded('K1', 'success'),
      sample.childEnded('K2', 'error'),
      sample.childEnded('K3', 'stopped'),
      sample.stopped,
    );
    expect(said(events).slice(6, -1)).toEqual([
      { type: 'SUBAGENT_FINISHED', subagentRunId: 'K1', result: { ticks: 1 }, outcome: { type: 'success' } },
      { type: 'SUBAGENT_ERROR', subagentRunId: 'K2', message: 'exit 1', code: 'tool_failed' },
      { type: 'SUBAGENT_ERROR', subagentRunId: 'K3', message: 'The run was stopped.', code: 'stopped' },
      { type: 'SUBAGENT_FINISHED', subagentRunId: 'K4', outcome: { type: 'suspended' } },
    ]);
    await verified(flat(events));
  });

  it('an approval ends the AG-UI run with an interrupt; what happened meanwhile begins the next one', async () => {
    const events = history(
      requested(),
      started(),
      sample.spawned('K1'),
      sample.approvalRequested('A1', 'c1'),
      sample.parked('approval'),
      sample.childEnded('K1', 'success'),
      sample.decided('A1', 'approve'),
      sample.unparked('approval'),
      started(2),
      sample.called('c1'),
      sample.returned('c1'),
      sample.succeeded,
    );
    const [before, after] = [translated(events.slice(0, 5)).flat(), translated(events)];
    expect(before.at(-1)).toMatchObject({
      type: 'RUN_FINISHED',
      outcome: {
        type: 'interrupt',
        interrupts: [
          {
            id: `${RUN}:approval:A1`,
            reason: 'approval',
            message: 'money leaves the house',
            toolCallId: `${RUN}:c1`,
            expiresAt: '2026-11-22T10:00:00.000Z',
          },
        ],
      },
    });
    expect(after.slice(5, 7)).toEqual([[], []]);
    expect(untimed(after[7] ?? [])).toMatchObject([
      { type: 'RUN_STARTED', threadId: RUN, runId: `${RUN}/2`, parentRunId: RUN },
      { type: 'STATE_DELTA' },
      { type: 'SUBAGENT_STARTED', subagentRunId: 'K1' },
      { type: 'SUBAGENT_FINISHED', subagentRunId: 'K1', outcome: { type: 'success' } },
      { type: 'CUSTOM', name: 'approval.decided' },
      { type: 'CUSTOM', name: 'run.unparked' },
    ]);
    // The call was shown when it was asked about.
    expect(typesOf(after.flat()).filter((type) => type === 'TOOL_CALL_START')).toHaveLength(1);
    await verified(after.flat());
  });

  it('a run that waits for its children, a retry or a handover goes on in the same AG-UI run', () => {
    for (const reason of ['children', 'retry', 'handover'] as const)
      expect(typesOf(flat(history(requested(), sample.parked(reason))))).not.toContain('RUN_FINISHED');
    for (const reason of ['budget', 'pause'] as const)
      expect(flat(history(requested(), sample.parked(reason))).at(-1)).toMatchObject({
        outcome: { type: 'interrupt', interrupts: [{ id: `${RUN}:${reason}:2`, reason }] },
      });
  });

  it('names itself as its client did, keeps the state that it was sent, and says its own under runledger', () => {
    const labels = { 'ag-ui.thread_id': 'thread', 'ag-ui.run_id': 'mine' };
    const state = { colour: 'red' };
    const withState = flat(history(requested({ labels, input: { messages: [], state } }), started()));
    expect(untimed(withState.slice(0, 3))).toEqual([
      {
        type: 'RUN_STARTED',
        threadId: 'thread',
        runId: 'mine',
        protocolVersion: '1.0',
        metadata: { run_id: RUN, agent_id: 'hello', agent_revision: 3 },
      },
      {
        type: 'STATE_SNAPSHOT',
        snapshot: {
          colour: 'red',
          runledger: {
            run_id: RUN,
            agent_id: 'hello',
            status: 'queued',
            waiting_on: null,
            attempt: 0,
            turns: 0,
          },
        },
      },
      {
        type: 'STATE_DELTA',
        delta: [
          { op: 'replace', path: '/runledger/status', value: 'running' },
          { op: 'replace', path: '/runledger/attempt', value: 1 },
        ],
      },
    ]);
    // A state that is not in the log is not overwritten.
    const byReference = requested({ labels, input: { blob: 'f'.repeat(64), bytes: 70_000, preview: '{' } });
    expect(flat(history(byReference))[1]).toMatchObject({
      type: 'STATE_DELTA',
      delta: [{ op: 'add', path: '/runledger' }],
    });
  });

  it('has a word or CUSTOM for every type of the catalogue but checkpoints, also for types of later versions', () => {
    const later = { type: 'moon.rose', data: 'full' };
    const silentTypes = [...sample.THE_REST, later].filter(
      (draft) => translated(history(requested(), draft))[1]?.length === 0,
    );
    expect(silentTypes.map(({ type }) => type)).toEqual(['run.checkpointed']);
    expect(untimed(flat(history(requested(), later)).slice(2))).toEqual([
      { type: 'CUSTOM', name: 'moon.rose', value: { seq: 2, attempt: 1, data: 'full' } },
    ]);
  });
});

describe('laws of the translation', () => {
  const id = (prefix: string) => fc.integer({ min: 1, max: 3 }).map((n) => `${prefix}${n}`);
  const reason = fc.constantFrom(
    ...(['children', 'approval', 'budget', 'unknown_outcome', 'pause', 'retry', 'handover'] as const),
  );
  /** Any event of the catalogue, in no sensible order, and what is none. */
  const anyEvent = fc.oneof(
    fc.constantFrom(...sample.THE_REST),
    fc
      .tuple(
        id('m'),
        fc.string(),
        fc.constantFrom('text' as const, 'reasoning' as const),
        fc.integer({ min: 1, max: 3 }),
      )
      .map((args) => text(...args)),
    fc.integer({ min: 1, max: 3 }).map((turn) => sample.turnDone({ role: 'assistant', content: 'x' }, turn)),
    id('c').map((call) => sample.called(call)),
    id('c').map((call) => sample.returned(call)),
    id('K').map((child) => sample.spawned(child)),
    fc
      .tuple(id('K'), fc.constantFrom('success' as const, 'error' as const, 'stopped' as const))
      .map((args) => sample.childEnded(...args)),
    fc.tuple(id('A'), id('c')).map((args) => sample.approvalRequested(...args)),
    fc
      .tuple(id('A'), fc.constantFrom('approve' as const, 'deny' as const))
      .map((args) => sample.decided(...args)),
    reason.map(sample.parked),
    reason.map(sample.unparked),
    fc.integer({ min: 1, max: 3 }).map(started),
    fc.constant(sample.stopRequested),
    fc.record({
      type: fc.constantFrom<EventType | 'x.y'>(
        'text.appended',
        'run.parked',
        'tool.called',
        'child.ended',
        'x.y',
      ),
      data: fc.jsonValue(),
    }),
  );
  const anyHistory = fc.tuple(
    fc.array(anyEvent, { maxLength: 40, size: 'max' }),
    fc.oneof(
      fc.constantFrom(...sample.ENDS),
      fc.record({
        type: fc.constantFrom('run.failed', 'run.succeeded', 'run.stopped'),
        data: fc.jsonValue(),
      }),
    ),
  );

  it('whatever happened before the end, the verifier accepts it, and it is closed by a terminal event', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory, async ([drafts, end]) => {
        const events = flat(history(requested(), ...drafts, end));
        expect(await verified(events)).toEqual(events);
        expect(['RUN_FINISHED', 'RUN_ERROR']).toContain(events.at(-1)?.type);
      }),
      { numRuns: 300 },
    );
  });

  it('any prefix of a recorded history, and then the end, is accepted too', async () => {
    for (const { events } of sample.recordedHistories())
      for (let length = 1; length < events.length; length += 1)
        for (const end of sample.ENDS) {
          const cut = [...events.slice(0, length), { ...events[0], seq: length + 1, ...end }] as AnyEvent[];
          await verified(flat(cut));
        }
  });

  it('is a function of the state and the event: neither is changed, and the same ones give the same', () => {
    fc.assert(
      fc.property(anyHistory, ([drafts, end]) => {
        let state = beforeTheFirst(RUN);
        for (const event of history(requested(), ...drafts, end)) {
          const before = JSON.stringify([state, event]);
          const step = translate(state, event);
          expect(translate(JSON.parse(JSON.stringify(state)), event)).toEqual(
            JSON.parse(JSON.stringify(step)),
          );
          expect(JSON.stringify([state, event])).toBe(before);
          state = step.state;
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('the judge of these specs', () => {
  const begun = { type: 'RUN_STARTED', threadId: 't', runId: 'r' };
  const judged = (...events: object[]): Promise<unknown> => verified([begun, ...events] as AgUiEvent[]);

  it('is awake: it refuses what is left open, malformed or unknown', async () => {
    const end = { type: 'RUN_FINISHED', threadId: 't', runId: 'r' };
    await expect(judged(end)).resolves.toHaveLength(2);
    await expect(judged({ type: 'TEXT_MESSAGE_START', messageId: 'm' }, end)).rejects.toThrow('still active');
    await expect(judged({ type: 'TOOL_CALL_RESULT', toolCallId: 'c', content: '' })).rejects.toThrow(
      'messageId',
    );
    await expect(judged({ type: 'NO_SUCH_TYPE' })).rejects.toThrow('warned');
    await expect(judged({ ...end, cost: 1 })).rejects.toThrow('warned');
  });
});
