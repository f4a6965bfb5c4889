import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunningService } from '@runledger/service-host';
import { SAMPLE_AGENTS } from '../src/samples.ts';
import { Cell } from './cell.ts';
import { startExecutor } from './test-executor.ts';

function sample(id: string) {
  const found = SAMPLE_AGENTS.find((agent) => agent.agent_id === id);
  if (!found) throw new Error(`no sample ${id}`);
  return found;
}

describe('sample agents', () => {
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

  it('hello: two turns, one tool call, text as it is written, a reply', async () => {
    const address = await cell.start(sample('hello'), { message: 'hi' });
    const end = await cell.ended(address);
    expect(end.data.result).toEqual({
      reply: expect.stringMatching(/^Hello! You said “hi”, and it is \d{4}-.*Z where I run\.$/),
    });
    const events = await cell.events(address);
    const count = (type: string): number => events.filter((event) => event.type === type).length;
    expect([
      count('turn.started'),
      count('turn.completed'),
      count('tool.called'),
      count('tool.returned'),
    ]).toEqual([2, 2, 1, 1]);
    const texts = events.filter((event) => event.type === 'text.appended' && event.data.turn === 1);
    expect(texts.length).toBeGreaterThan(1);
    expect(texts.map((event) => event.data.text).join('')).toBe(
      'Good to hear from you. Let me look at the clock before I answer.',
    );
    expect(new Set(texts.map((event) => event.data.message_id)).size).toBe(1);
    const turn = events.find((event) => event.type === 'turn.completed');
    expect(turn?.data).toMatchObject({
      turn: 1,
      model: 'offline/hello',
      finish_reason: 'tool-calls',
      message: { role: 'assistant' },
    });
    expect((turn?.data.usage as { input_tokens: number }).input_tokens).toBeGreaterThan(0);
  });

  it('hello-code: a module that logs, calls a model twice, takes a step', async () => {
    const address = await cell.start(sample('hello-code'), { message: 'good morning' });
    const end = await cell.ended(address);
    expect(end.data).toEqual({ result: { reply: 'good morning That was 2 words.' }, schema_warnings: [] });
    const events = await cell.events(address);
    expect(
      events
        .slice(2, -1)
        .map((event) => [
          event.data.index,
          event.type,
          event.data.kind ?? event.data.source ?? event.data.name,
        ]),
    ).toEqual([
      [0, 'log.written', 'stdout'],
      [1, 'milestone.reached', 'asking'],
      [2, 'step.completed', 'model'],
      [3, 'step.completed', 'step'],
      [4, 'step.completed', 'model'],
      [5, 'milestone.reached', 'answered'],
    ]);
  });

  it('echo-process: any program that speaks the protocol', async () => {
    const address = await cell.start(sample('echo-process'), { deep: [1, { two: null }] });
    const end = await cell.ended(address);
    expect(end.data.result).toEqual({ echo: { deep: [1, { two: null }] }, at: expect.stringMatching(/Z$/) });
  });
});
