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
  const results = toolResults(prompt);
  if (results.size === 0)
    return {
      turn,
      text: 'Let me look at the clock and find the right words before I greet you.',
      calls: [
        { name: 'clock', args: {} },
        { name: 'greet', args: { name: nameIn(prompt) } },
      ],
    };
  const greeting = textAt(results.get('greet'), 'greeting') ?? 'Hello!';
  const time = textAt(results.get('clock'), 'time');
  return { turn, text: time ? `${greeting} I wrote this at ${time}.` : greeting, calls: [] };
}

function echo(prompt: LanguageModelV4Prompt): Line {
  const turn = prompt.filter((message) => message.role === 'assistant').length + 1;
  return { turn, text: lastUserText(prompt), calls: [] };
}

function nameIn(prompt: LanguageModelV4Prompt): string {
  const text = lastUserText(prompt);
  try {
    const input = JSON.parse(text) as { name?: unknown } | null;
    return typeof input === 'object' && typeof input?.name === 'string' && input.name.length > 0
      ? input.name
      : 'world';
  } catch {
    return text.length > 0 && text.length < 100 ? text : 'world';
  }
}

function lastUserText(prompt: LanguageModelV4Prompt): string {
  const message = prompt.findLast((one) => one.role === 'user');
  return (message?.content ?? []).map((part) => (part.type === 'text' ? part.text : '')).join('');
}

function toolResults(prompt: LanguageModelV4Prompt): Map<string, unknown> {
  const results = new Map<string, unknown>();
  for (const message of prompt) {
    if (message.role !== 'tool') continue;
    for (const part of message.content) {
      if (part.type === 'tool-result' && part.output.type === 'json')
        results.set(part.toolName, part.output.value);
    }
  }
  return results;
}

function textAt(value: unknown, key: string): string | undefined {
  const found =
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  return typeof found === 'string' ? found : undefined;
}
