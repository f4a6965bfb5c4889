import { type Harness, type HarnessContext, type JsonValue } from '@runledger/harness';
import type { ModelMessage } from 'ai';
import { turnsReached, turnsUsed } from '../../budget/turns.ts';
import type { Models } from '../../models/models.ts';
import { toolFor } from '../../tools/builtin-tools.ts';
import { CALL_AGENT, callAgent } from './agent-tool.ts';
import { modelTurn, type FinishedTurn } from './model-turn.ts';
import {
  firstMessages,
  recordedTurns,
  textOf,
  toolCallsOf,
  toolMessage,
  type RecordedTurns,
  type ToolCallPart,
} from './transcript.ts';

const MAX_TURNS = 200;
/** Calls of one turn that are made at once. */
const PARALLEL_CALLS = 64;

/**
 * Turns of one model: a call, then its tools, until it calls none. Its state is the transcript, rebuilt from finished
 * turns; an unfinished turn is done again under a new message id.
 */
export class LlmHarness implements Harness {
  readonly engine = 'llm';

  constructor(private readonly models: Models) {}

  async run(context: HarnessContext): Promise<JsonValue> {
    const name = context.agent.model ?? '';
    const model = this.models.resolve(name, context);
    const recorded = await recordedTurns(context.history, (value) => context.values.get(value));
    const messages = firstMessages(context);
    for (let turn = 1; ; turn += 1) {
      const before = recorded.messages[turn - 1];
      if (!before) await startTurn(context, turn, name);
      messages.push(...(await nudges(context, turn, recorded)));
      const message =
        before ?? (await this.#finish(context, turn, name, await modelTurn(context, turn, model, messages)));
      messages.push(message);
      const calls = toolCallsOf(message);
      if (calls.length === 0) return resultOf(context, textOf(message));
      for (let at = 0; at < calls.length; at += PARALLEL_CALLS) {
        const some = calls.slice(at, at + PARALLEL_CALLS);
        messages.push(...(await allSettled(some.map((call) => callTool(context, turn, call)))));
      }
    }
  }

  async #finish(
    context: HarnessContext,
    turn: number,
    model: string,
    done: FinishedTurn,
  ): Promise<FinishedTurn['message']> {
    const message = await context.values.put(done.message as unknown as JsonValue);
    await context.emit([
      {
        type: 'turn.completed',
        data: { turn, model, finish_reason: done.finish_reason, usage: done.usage, message },
      },
    ]);
    return done.message;
  }
}

async function startTurn(context: HarnessContext, turn: number, model: string): Promise<void> {
  await context.boundary.check(`turn ${turn}`);
  const most = (await context.turnsAllowed(turn)) ?? MAX_TURNS;
  if (turn > most) {
    await context.emit([turnsReached(most)]);
    throw turnsUsed(most);
  }
  await context.emit([{ type: 'turn.started', data: { turn, model } }]);
}

/** Nudges are acknowledged before they are used, so that a resumed run reads each in the same place. */
async function nudges(
  context: HarnessContext,
  turn: number,
  recorded: RecordedTurns,
): Promise<ModelMessage[]> {
  const texts = [...(recorded.nudges.get(turn) ?? [])];
  if (!recorded.messages[turn - 1]) {
    for (const { nudge_id, message } of context.nudges()) {
      await context.emit([{ type: 'nudge.acknowledged', data: { nudge_id, turn } }]);
      texts.push(message);
    }
  }
  return texts.map((content) => ({ role: 'user', content }));
}

async function callTool(context: HarnessContext, turn: number, call: ToolCallPart): Promise<ModelMessage> {
  if (call.toolName === CALL_AGENT) return toolMessage(call, await callAgent(context, call.input));
  const definition = context.agent.tools?.find((tool) => tool.name === call.toolName);
  const tool = definition ? toolFor(definition) : undefined;
  const request = {
    name: call.toolName,
    args: call.input,
    idempotent: definition?.idempotent ?? tool?.idempotent ?? true,
    turn,
  };
  const outcome = await context.boundary.callTool(request, async (key) => {
    if (!tool) throw new Error(`there is no tool "${call.toolName}"`);
    // What is no JSON is handed on as the text that the model wrote.
    if (typeof call.input === 'string') throw new Error('the arguments are not JSON');
    return tool.execute(call.input, { key, signal: context.signal });
  });
  return toolMessage(call, outcome);
}

/** Waits for every call, even when one failed: a call must not go on behind the end of its run. */
async function allSettled<T>(work: Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

/** `{reply}`; with an output schema, the reply itself where it is JSON. */
function resultOf(context: HarnessContext, text: string): JsonValue {
  const schema = context.agent.output_schema;
  if (typeof schema !== 'object' || schema === null) return { reply: text };
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return { reply: text };
  }
}
