import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cleanup } from './cleanup.ts';

export interface Call {
  tool: string;
  args: unknown;
}

/** What the model says to one request: it calls these tools, or, without any, has done. */
export interface Turn {
  afterMs: number;
  calls: readonly Call[];
  /** The answer also waits for this. */
  until?: Promise<unknown>;
}

export interface Request {
  model: string;
  turn: number;
  /** In ms since the epoch. */
  at: number;
}

/** `turn` counts the answers that the model has given in this conversation before. */
export type Script = (model: string, turn: number) => Turn;

interface Body {
  model: string;
  stream?: boolean;
  messages: { role: string }[];
}

export interface ScriptedModel {
  readonly url: string;
  /** Every request that has come, in order. */
  readonly requests: readonly Request[];
  /** Requests that wait for their answer now, by model. */
  waiting(model: string): number;
}

/** An OpenAI-compatible endpoint on loopback that follows a script. */
export async function startScriptedModel(cleanup: Cleanup, script: Script): Promise<ScriptedModel> {
  const waiting = new Map<string, Set<ServerResponse>>();
  const requests: Request[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const { model, stream, messages } = JSON.parse(text) as Body;
      const turn = messages.filter(({ role }) => role === 'assistant').length;
      requests.push({ model, turn, at: Date.now() });
      const { afterMs, calls, until } = script(model, turn);
      const open = waiting.get(model) ?? new Set();
      waiting.set(model, open.add(response));
      const say = async (): Promise<void> => {
        await until;
        open.delete(response);
        if (stream) answerInParts(response, calls);
        else answer(response, calls);
      };
      const timer = setTimeout(() => void say(), afterMs);
      response.once('close', () => {
        open.delete(response);
        clearTimeout(timer);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.add('scripted model', async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    waiting: (model) => waiting.get(model)?.size ?? 0,
  };
}

const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 };
const about = { id: 'x', created: 1, model: 'scripted' };

function message(calls: readonly Call[]): object {
  if (calls.length === 0) return { role: 'assistant', content: 'done' };
  const tool_calls = calls.map(({ tool, args }, index) => ({
    index,
    id: `call_${index}`,
    type: 'function',
    function: { name: tool, arguments: JSON.stringify(args) },
  }));
  return { role: 'assistant', content: null, tool_calls };
}

const reason = (calls: readonly Call[]): string => (calls.length === 0 ? 'stop' : 'tool_calls');

function answer(response: ServerResponse, calls: readonly Call[]): void {
  const choices = [{ index: 0, message: message(calls), finish_reason: reason(calls) }];
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify({ ...about, object: 'chat.completion', choices, usage }));
}

function answerInParts(response: ServerResponse, calls: readonly Call[]): void {
  const part = (choices: object[], more: object = {}): string =>
    `data: ${JSON.stringify({ ...about, object: 'chat.completion.chunk', choices, ...more })}\n\n`;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(part([{ index: 0, delta: message(calls), finish_reason: null }]));
  response.write(part([{ index: 0, delta: {}, finish_reason: reason(calls) }]));
  response.write(part([], { usage }));
  response.end('data: [DONE]\n\n');
}
