import type { HarnessContext, JsonValue, ModelUsage } from '@runledger/harness';
import {
  jsonSchema,
  streamText,
  tool,
  type AssistantModelMessage,
  type LanguageModel,
  type ModelMessage,
  type ToolSet,
} from 'ai';
import { callSettings, usageOf } from '../../models/models.ts';
import { providerFailure } from '../../models/provider-errors.ts';
import { toolFor } from '../../tools/builtin-tools.ts';
import { agentToolFor, CALL_AGENT } from './agent-tool.ts';
import { TextCoalescer } from './text-coalescer.ts';
import type { ToolCallPart } from './transcript.ts';

export interface FinishedTurn {
  message: AssistantModelMessage;
  finish_reason: string;
  usage: ModelUsage;
}

/** One model call: its text is recorded as it comes, the message is handed back whole. */
export function modelTurn(
  context: HarnessContext,
  turn: number,
  model: LanguageModel,
  messages: ModelMessage[],
): Promise<FinishedTurn> {
  const name = context.agent.model ?? '';
  const max_tokens = callSettings(context.agent, name).maxOutputTokens;
  return context.paid({ boundary: `turn ${turn}`, model: name, messages, max_tokens }, (most) =>
    ask(context, turn, { model, messages, most }),
  );
}

interface Question {
  model: LanguageModel;
  messages: ModelMessage[];
  /** Tokens of the answer, where it is limited. */
  most: number | undefined;
}

async function ask(
  context: HarnessContext,
  turn: number,
  { model, messages, most }: Question,
): Promise<FinishedTurn> {
  const { agent } = context;
  const message_id = `t${turn}-a${context.attempt}`;
  const texts = new TextCoalescer((channel, text) =>
    context.emit([{ type: 'text.appended', data: { turn, message_id, channel, text } }]),
  );
  const stream = streamText({
    model,
    messages,
    ...(agent.instructions ? { instructions: agent.instructions } : {}),
    tools: toolSet(context),
    maxRetries: 0,
    abortSignal: context.signal,
    onError: () => undefined,
    ...callSettings(agent, agent.model ?? '', most === undefined ? {} : { max_tokens: most }),
  });
  const said = { text: '', calls: [] as ToolCallPart[] };
  try {
    for await (const part of stream.stream) {
      if (part.type === 'error') throw part.error;
      if (part.type === 'abort') throw context.signal.reason;
      if (part.type === 'text-delta') said.text += part.text;
      if (part.type === 'text-delta') texts.add('text', part.text);
      else if (part.type === 'reasoning-delta') texts.add('reasoning', part.text);
      else if (part.type === 'tool-call')
        said.calls.push({
          toolCallId: part.toolCallId,
          toolName: part.toolName,
          input: part.input as JsonValue,
        });
    }
    const [finish_reason, usage] = [await stream.finishReason, usageOf(await stream.usage)];
    await texts.end();
    return { message: messageOf(said), finish_reason, usage };
  } catch (error) {
    texts.abandon();
    throw context.signal.aborted ? error : asFailure(error, agent.model ?? '');
  }
}

function messageOf({ text, calls }: { text: string; calls: ToolCallPart[] }): AssistantModelMessage {
  return {
    role: 'assistant',
    content: [
      ...(text.length > 0 ? [{ type: 'text' as const, text }] : []),
      ...calls.map((call) => ({ type: 'tool-call' as const, ...call })),
    ],
  };
}

function toolSet({ agent }: HarnessContext): ToolSet {
  const tools: ToolSet = {};
  for (const definition of agent.tools ?? []) {
    const known = toolFor(definition);
    tools[definition.name] = tool({
      description: definition.description ?? known.description,
      inputSchema: jsonSchema(
        (definition.input_schema ?? known.input_schema) as Parameters<typeof jsonSchema>[0],
      ),
    });
  }
  const agents = agentToolFor(agent);
  if (agents)
    tools[CALL_AGENT] = tool({
      description: agents.description,
      inputSchema: jsonSchema(agents.input_schema as Parameters<typeof jsonSchema>[0]),
    });
  return tools;
}

/** What the boundary threw while text was recorded is not the provider's failure. */
function asFailure(error: unknown, model: string): unknown {
  const ours =
    error instanceof Error &&
    ['AgentStopped', 'AgentFailed', 'Handover', 'Parked', 'HoldLost', 'LogUnavailable'].includes(error.name);
  return ours ? error : providerFailure(error, model);
}
