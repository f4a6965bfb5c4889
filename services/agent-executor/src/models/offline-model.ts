import { setTimeout as delay } from 'node:timers/promises';
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamResult,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from '@ai-sdk/provider';
import { OFFLINE_SCRIPTS, type Line } from './offline-scripts.ts';

const WORD_MS = 15;

/** A deterministic model that needs no key and no network: the script decides from the prompt alone. */
export class OfflineModel implements LanguageModelV4 {
  readonly specificationVersion = 'v4';
  readonly provider = 'offline';
  readonly supportedUrls = {};

  constructor(readonly modelId: string) {}

  static has(script: string): boolean {
    return Object.hasOwn(OFFLINE_SCRIPTS, script);
  }

  async doGenerate(options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    const line = this.#line(options.prompt);
    return {
      content: [
        { type: 'text', text: line.text },
        ...line.calls.map(({ name, args }, index) => ({
          type: 'tool-call' as const,
          toolCallId: callId(line, index),
          toolName: name,
          input: JSON.stringify(args),
        })),
      ],
      finishReason: finishOf(line),
      usage: usageOf(options.prompt, line),
      warnings: [],
    };
  }

  async doStream(options: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamResult> {
    const parts = partsOf(options.prompt, this.#line(options.prompt));
    return { stream: streamOf(paced(parts, options.abortSignal)) };
  }

  #line(prompt: LanguageModelV4Prompt): Line {
    const script = OFFLINE_SCRIPTS[this.modelId];
    if (!script) throw new Error(`there is no offline script "${this.modelId}"`);
    return script(prompt);
  }
}

/** The platform's stream of parts; what Node declares and what the model interface declares differ in name only. */
function streamOf(
  parts: AsyncIterable<LanguageModelV4StreamPart>,
): ReadableStream<LanguageModelV4StreamPart> {
  const iterator = parts[Symbol.asyncIterator]();
  return new ReadableStream({
    pull: async (controller) => {
      const next = await iterator.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: async () => void (await iterator.return?.()),
  });
}

async function* paced(
  parts: LanguageModelV4StreamPart[],
  signal: AbortSignal | undefined,
): AsyncGenerator<LanguageModelV4StreamPart> {
  for (const part of parts) {
    if (part.type === 'text-delta') await delay(WORD_MS, undefined, signal ? { signal } : {});
    yield part;
  }
}

function partsOf(prompt: LanguageModelV4Prompt, line: Line): LanguageModelV4StreamPart[] {
  const words = line.text.split(/(?<= )/).filter((word) => word.length > 0);
  return [
    { type: 'stream-start', warnings: [] },
    { type: 'text-start', id: 'text' },
    ...words.map((delta) => ({ type: 'text-delta' as const, id: 'text', delta })),
    { type: 'text-end', id: 'text' },
    ...line.calls.map(({ name, args }, index) => ({
      type: 'tool-call' as const,
      toolCallId: callId(line, index),
      toolName: name,
      input: JSON.stringify(args),
    })),
    { type: 'finish', finishReason: finishOf(line), usage: usageOf(prompt, line) },
  ];
}

function callId(line: Line, index: number): string {
  return `offline-${line.turn}-${index}`;
}

function finishOf(line: Line): { unified: 'stop' | 'tool-calls'; raw: string } {
  return line.calls.length > 0
    ? { unified: 'tool-calls', raw: 'tool_calls' }
    : { unified: 'stop', raw: 'stop' };
}

/** Four characters are one token: nothing is billed, but budgets and views see plausible numbers. */
function usageOf(prompt: LanguageModelV4Prompt, line: Line): LanguageModelV4Usage {
  const input = Math.ceil(JSON.stringify(prompt).length / 4);
  const output = Math.ceil((line.text.length + JSON.stringify(line.calls).length) / 4);
  return {
    inputTokens: { total: input, noCache: input, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: output, text: output, reasoning: 0 },
  };
}
