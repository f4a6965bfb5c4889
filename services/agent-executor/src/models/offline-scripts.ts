import type { LanguageModelV4Prompt } from '@ai-sdk/provider';
import type { JsonValue } from '@runledger/harness';

/** What the model says in one turn. */
export interface Line {
  turn: number;
  text: string;
  calls: { name: string; args: JsonValue }[];
}

/** Scripts of the offline model, by name. Each is a pure function of the prompt. */
export const OFFLINE_SCRIPTS: Record<string, (prompt: LanguageModelV4Prompt) => Line> = {
  hello,
  echo,
  spender,
};

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

/** As many turns as the input's `turns`, each but the last with a look at the clock. */
function spender(prompt: LanguageModelV4Prompt): Line {
  const turn = prompt.filter((message) => message.role === 'assistant').length + 1;
  const wanted = numberIn(userText(prompt.find((message) => message.role === 'user')), 'turns') ?? 3;
  if (turn >= wanted) return { turn, text: `Spent ${turn} turns.`, calls: [] };
  return { turn, text: `Turn ${turn} of ${wanted}.`, calls: [{ name: 'clock', args: {} }] };
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
  return userText(prompt.findLast((one) => one.role === 'user'));
}

function userText(message: LanguageModelV4Prompt[number] | undefined): string {
  if (message?.role !== 'user') return '';
  return message.content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

function numberIn(text: string, key: string): number | undefined {
  try {
    const value = (JSON.parse(text) as Record<string, unknown> | null)?.[key];
    return typeof value === 'number' ? value : undefined;
  } catch {
    return undefined;
  }
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
