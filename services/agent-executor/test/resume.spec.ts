import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AgentDefinition } from '@runledger/harness';
import type { RunningService } from '@runledger/service-host';
import { SAMPLE_AGENTS } from '../src/samples.ts';
import { signatureOf } from '../src/boundary/signature.ts';
import { builtin, codeAgent } from './agents.ts';
import { Cell } from './cell.ts';
import { recordAsGhost } from './ghost.ts';
import { startExecutor } from './test-executor.ts';
import type { DraftEvent } from '@runledger/run';

const hello = SAMPLE_AGENTS.find((agent) => agent.agent_id === 'hello') as AgentDefinition;
const usage = { input_tokens: 1, output_tokens: 1, cached_tokens: 0, cost_usd: '0' };

/** The first turn of `hello`, which calls two tools. */
const firstTurn: DraftEvent[] = [
  { type: 'turn.started', data: { turn: 1, model: 'offline/hello' } },
  { type: 'text.appended', data: { turn: 1, message_id: 't1-a1', channel: 'text', text: 'Recorded.' } },
  {
    type: 'turn.completed',
    data: {
      turn: 1,
      model: 'offline/hello',
      finish_reason: 'tool-calls',
      usage,
      message: {
        role: 'assistant',
        content: [
          { type: 'text', text: 'Recorded.' },
          { type: 'tool-call', toolCallId: 'a', toolName: 'clock', input: {} },
          { type: 'tool-call', toolCallId: 'b', toolName: 'clock', input: { again: 'yes' } },
        ],
      },
    },
  },
];

function called(index: number, name: string, args: { [key: string]: string }, idempotent = true): DraftEvent {
  return {
    type: 'tool.called',
    data: { call_id: `c${index}`, index, turn: 1, name, args, idempotent, args_sha256: signatureOf(args) },
  };
}

function returned(index: number, result: { [key: string]: string }): DraftEvent {
  return {
    type: 'tool.returned',
    data: { call_id: `c${index}`, index, is_error: false, result, duration_ms: 1, outcome: 'done' },
  };
}

describe('resuming what an earlier attempt recorded', () => {
  let cell: Cell;
  let executor: RunningService;

  beforeAll(async () => {
    cell = await Cell.start();
    executor = await startExecutor(cell);
  });
  afterAll(async () => {
    await executor.close();
    await cell.stop();
  });

  it('a ticker waits for no recorded tick again', async () => {
    const address = await cell.request(builtin('ticker'), { count: 4, every_ms: 100 });
    await recordAsGhost(
      cell,
      address,
      'builtin',
      [0, 1, 2].map((index) => ({
        type: 'milestone.reached',
        data: { index, name: `tick ${index + 1}`, detail: '' },
      })),
    );
    await cell.dispatch(address);
    await cell.ended(address);
    const events = await cell.events(address);
    expect(events.slice(2).map((event) => event.data.name ?? event.type)).toEqual([
      'tick 1',
      'tick 2',
      'tick 3',
      'attempt.lost',
      'run.started',
      'tick 4',
      'run.succeeded',
    ]);
    expect(events.find((event) => event.type === 'attempt.lost')?.data).toEqual({
      attempt: 1,
      executor: 'ghost',
      reason: 'lease_expired',
    });
  });

  it('a finished turn is not asked for again, and a recorded tool call is not made again', async () => {
    const address = await cell.request(hello, { message: 'hi' });
    await recordAsGhost(cell, address, 'llm', [
      ...firstTurn,
      called(0, 'clock', {}),
      returned(0, { time: 'the first time' }),
      called(1, 'clock', { again: 'yes' }),
    ]);
    await cell.dispatch(address);
    const end = await cell.ended(address);
    expect(end.data.result).toEqual({ reply: 'Hello! You said “hi”, and it is the first time where I run.' });
    const own = (await cell.events(address)).filter((event) => event.attempt === 2);
    expect(own.filter((event) => event.type === 'turn.started').map((event) => event.data.turn)).toEqual([2]);
    expect(
      own.filter((event) => event.type.startsWith('tool.')).map((event) => [event.type, event.data.call_id]),
    ).toEqual([['tool.returned', 'c1']]);
  });

  it('an unfinished turn is done again under a new message id', async () => {
    const address = await cell.request(hello, { message: 'hi' });
    await recordAsGhost(cell, address, 'llm', firstTurn.slice(0, 2));
    await cell.dispatch(address);
    await cell.ended(address);
    const texts = (await cell.events(address)).filter(
      (event) => event.type === 'text.appended' && event.data.turn === 1,
    );
    expect(texts[0]?.data).toMatchObject({ message_id: 't1-a1', text: 'Recorded.' });
    expect(new Set(texts.slice(1).map((event) => event.data.message_id))).toEqual(new Set(['t1-a2']));
  });

  it('a call that may have taken effect waits for a person, and goes on as they say', async () => {
    const agent: AgentDefinition = {
      ...hello,
      agent_id: 'careful',
      tools: [{ name: 'clock', kind: 'builtin', idempotent: false }],
    };
    const address = await cell.request(agent, { message: 'hi' });
    await recordAsGhost(cell, address, 'llm', [...firstTurn, called(0, 'clock', {}, false)]);
    await cell.dispatch(address);
    const parked = await cell.until(address, (event) => event.type === 'run.parked');
    expect(parked.data).toMatchObject({ reason: 'unknown_outcome', dispatch: 1 });
    const unknown = (await cell.events(address)).filter((event) => event.type === 'outcome.unknown');
    expect(unknown.map((event) => event.data)).toEqual([{ call_id: 'c0', name: 'clock', args: {} }]);
    await cell.log.execute(address, () => ({
      type: 'ResolveOutcome',
      call_id: 'c0',
      by: { user_id: 'ada', channel: 'api' },
      choice: 'mark_done',
      result: { time: 'as Ada saw' },
    }));
    await cell.dispatch(address, 2);
    const end = await cell.ended(address);
    expect(end.data.result).toEqual({ reply: 'Hello! You said “hi”, and it is as Ada saw where I run.' });
    const result = (await cell.events(address)).find(
      (event) => event.type === 'tool.returned' && event.data.call_id === 'c0',
    );
    expect(result?.data).toMatchObject({
      outcome: 'marked_done',
      is_error: false,
      result: { time: 'as Ada saw' },
    });
  });

  it('a person may have it done again', async () => {
    const agent: AgentDefinition = {
      ...hello,
      agent_id: 'careful2',
      tools: [{ name: 'clock', kind: 'builtin', idempotent: false }],
    };
    const address = await cell.request(agent, { message: 'hi' });
    await recordAsGhost(cell, address, 'llm', [...firstTurn, called(0, 'clock', {}, false)]);
    await cell.dispatch(address);
    await cell.until(address, (event) => event.type === 'run.parked');
    await cell.log.execute(address, () => ({
      type: 'ResolveOutcome',
      call_id: 'c0',
      by: { user_id: 'ada', channel: 'api' },
      choice: 'retry',
    }));
    await cell.dispatch(address, 2);
    expect((await cell.ended(address)).type).toBe('run.succeeded');
    const done = (await cell.events(address)).find(
      (event) => event.type === 'tool.returned' && event.data.call_id === 'c0',
    );
    expect(done?.data.outcome).toBe('retried');
  });

  it('reads nudges between turns, each in the place where it was read first', async () => {
    const address = await cell.request(hello, { message: 'hi' });
    await recordAsGhost(cell, address, 'llm', firstTurn);
    await cell.log.execute(address, () => ({
      type: 'SendNudge',
      nudge_id: 'n1',
      by: { user_id: 'ada', channel: 'api' },
      message: 'be brief',
    }));
    await cell.dispatch(address);
    await cell.ended(address);
    const read = (await cell.events(address)).filter((event) => event.type === 'nudge.acknowledged');
    expect(read.map((event) => event.data)).toEqual([{ nudge_id: 'n1', turn: 2 }]);
  });

  it('a log line may differ from attempt to attempt, and is not repeated', async () => {
    const agent = codeAgent('talker', 'console.log("it is", Date.now()); tools.milestone("done"); return 1;');
    const address = await cell.request(agent, {});
    await recordAsGhost(cell, address, 'code', [
      { type: 'log.written', data: { index: 0, level: 'info', source: 'stdout', message: 'it is 1' } },
    ]);
    await cell.dispatch(address);
    expect((await cell.ended(address)).type).toBe('run.succeeded');
    const logs = (await cell.events(address)).filter((event) => event.type === 'log.written');
    expect(logs.map((event) => event.data.message)).toEqual(['it is 1']);
  });

  it('a run whose agent revision is gone fails and says so', async () => {
    const address = await cell.request(builtin('ticker'), {}, { agent_revision: 9_999 });
    await cell.dispatch(address);
    expect((await cell.ended(address)).data.error).toMatchObject({ code: 'agent_gone' });
  });

  it('an input that does not fit a builtin engine fails as input', async () => {
    const end = await cell.ended(await cell.start(builtin('ticker'), { count: -1 }));
    expect(end.data.error).toMatchObject({ code: 'invalid_input', category: 'input' });
  });
});
