import type { LanguageModelV4Prompt } from '@ai-sdk/provider';
import type { JsonValue } from '@runledger/harness';

/** What the model says in one turn. */
export interface Line {
  turn: number;
  text: string;
  calls: { name: string; args: JsonValue }[];
}

/** Scripts of the offline model, by name. Each is a pure function of the prompt. */
export const OFFLINE_SCRIPTS: Record<string, (prompt: LanguageModelV4Prompt) => Line> = { hello, echo };

function hello(prompt: LanguageModelV4Prompt): Line {
  const turn = prompt.filter((message) => message.role === 'assistant').length + 1;
  const clock = firstResult(prompt, 'clock');
  if (clock === undefined)
    return {
      turn,
      text: 'Good to hear from you. Let me look at the clock before I answer.',
      calls: [{ name: 'clock', args: {} }],
    };
  const said = messageIn(prompt);
  const time = textAt(clock, 'time') ?? 'an hour that my clock does not show';
  return { turn, text: `Hello! You said “${said}”, and it is ${time} where I run.`, calls: [] };
}

function echo(prompt: LanguageModelV4Prompt): Line {
  const turn = prompt.filter((message) => message.role === 'assistant').length + 1;
  return { turn, text: lastUserText(prompt), calls: [] };
}

/** The `message` of an input, or the whole text. */
function messageIn(prompt: LanguageModelV4Prompt): string {
  const text = lastUserText(prompt);
  try {
    return textAt(JSON.parse(text), 'message') ?? text;
  } catch {
    return text;
  }
}

function lastUserText(prompt: LanguageModelV4Prompt): string {
  const message = prompt.findLast((one) => one.role === 'user');
  return (message?.content ?? []).map((part) => (part.type === 'text' ? part.text : '')).join('');
}

function firstResult(prompt: LanguageModelV4Prompt, tool: string): unknown {
  for (const message of prompt) {
    if (message.role !== 'tool') continue;
    for (const part of message.content) {
      if (part.type === 'tool-result' && part.toolName === tool && part.output.type === 'json')
        return part.output.value;
    }
  }
  return undefined;
}

function textAt(value: unknown, key: string): string | undefined {
  const found =
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  return typeof found === 'string' ? found : undefined;
}
