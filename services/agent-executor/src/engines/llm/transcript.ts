import type { HarnessContext, JsonValue, RecordedEvent } from '@runledger/harness';
import type { EventData } from '@runledger/run';
import type { AssistantModelMessage, ModelMessage } from 'ai';

export interface ToolCallPart {
  toolCallId: string;
  toolName: string;
  input: JsonValue;
}

/** What earlier attempts said: the finished turns, and the nudges read before each. */
export interface RecordedTurns {
  messages: AssistantModelMessage[];
  /** By the turn that they were read before. */
  nudges: Map<number, string[]>;
}

/** `value` fetches a message that was too large for its event. */
export async function recordedTurns(
  history: readonly RecordedEvent[],
  value: (stored: JsonValue) => Promise<JsonValue>,
): Promise<RecordedTurns> {
  const texts = new Map<string, string>();
  const turns: RecordedTurns = { messages: [], nudges: new Map() };
  for (const event of history) {
    if (event.type === 'turn.completed') {
      const { turn, message } = event.data as EventData['turn.completed'];
      turns.messages[turn - 1] = (await value(message)) as unknown as AssistantModelMessage;
    } else if (event.type === 'nudge.received') {
      const { nudge_id, message } = event.data as EventData['nudge.received'];
      texts.set(nudge_id, message);
    } else if (event.type === 'nudge.acknowledged') {
      const { nudge_id, turn } = event.data as EventData['nudge.acknowledged'];
      turns.nudges.set(turn, [...(turns.nudges.get(turn) ?? []), texts.get(nudge_id) ?? '']);
    }
  }
  return turns;
}

export function firstMessages({ input }: HarnessContext): ModelMessage[] {
  return [{ role: 'user', content: typeof input === 'string' ? input : JSON.stringify(input) }];
}

export function toolMessage(
  call: ToolCallPart,
  outcome: { result: JsonValue; is_error: boolean },
): ModelMessage {
  const output = outcome.is_error
    ? { type: 'error-json' as const, value: outcome.result }
    : { type: 'json' as const, value: outcome.result };
  return {
    role: 'tool',
    content: [{ type: 'tool-result', toolCallId: call.toolCallId, toolName: call.toolName, output }],
  };
}

export function toolCallsOf(message: AssistantModelMessage): ToolCallPart[] {
  if (typeof message.content === 'string') return [];
  return message.content
    .filter((part) => part.type === 'tool-call')
    .map(({ toolCallId, toolName, input }) => ({ toolCallId, toolName, input: (input ?? {}) as JsonValue }));
}

export function textOf(message: AssistantModelMessage): string {
  if (typeof message.content === 'string') return message.content;
  return message.content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}
