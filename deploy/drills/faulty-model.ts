import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Cleanup } from './cleanup.ts';

/** What the endpoint does with a request for the model of this name. */
export type Fault =
  | 'healthy'
  | 'busy-twice'
  | 'broken-once'
  | 'busy'
  | 'broken'
  | 'unauthorized'
  | 'reset'
  | 'hang'
  | 'trickle'
  | 'half'
  | 'garbage'
  | 'flood';

export interface FaultyModel {
  readonly url: string;
  /** Requests that have come, by model. */
  readonly requests: ReadonlyMap<string, number>;
}

/**
 * An OpenAI-compatible endpoint whose models are named `<fault>.<anything>`: each name counts its own
 * requests, so that what is done twice is done twice to each.
 */
export async function startFaultyModel(cleanup: Cleanup): Promise<FaultyModel> {
  const requests = new Map<string, number>();
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const { model, stream = false } = JSON.parse(text) as { model: string; stream?: boolean };
      const count = (requests.get(model) ?? 0) + 1;
      requests.set(model, count);
      act(faultOf(model), { count, stream, response });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.add('faulty model', async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, requests };
}

export const faultOf = (model: string): Fault => model.split('.')[0] as Fault;

interface Asked {
  count: number;
  stream: boolean;
  response: ServerResponse;
}

function act(fault: Fault, asked: Asked): void {
  const { count, response } = asked;
  switch (fault) {
    case 'busy-twice':
      return count <= 2 ? refuse(response, 429, { 'retry-after': '1' }) : answer(asked);
    case 'broken-once':
      return count === 1 ? refuse(response, 500) : answer(asked);
    case 'busy':
      return refuse(response, 429, { 'retry-after': '1' });
    case 'broken':
      return refuse(response, 500);
    case 'unauthorized':
      return refuse(response, 401);
    case 'reset':
      return void response.destroy();
    case 'hang':
      return;
    case 'healthy':
      return answer(asked);
    default:
      return spoil(fault, asked);
  }
}

/** Answers that begin as they should. */
function spoil(fault: 'trickle' | 'half' | 'garbage' | 'flood', { response, stream }: Asked): void {
  response.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' });
  const begin = stream ? part({ role: 'assistant', content: 'This is' }, null) : whole().slice(0, 60);
  if (fault === 'garbage')
    return void response.end(stream ? 'data: {"choices": [{]]\n\n' : '{"choices": [{]]');
  response.write(begin);
  if (fault === 'half') return void setTimeout(() => response.destroy(), 200);
  const chunk = fault === 'flood' ? filler(stream, 65_536) : filler(stream, 1);
  const timer = setInterval(() => response.write(chunk), fault === 'flood' ? 5 : 500);
  response.once('close', () => clearInterval(timer));
}

/** More of an answer that never ends. */
const filler = (stream: boolean, characters: number): string =>
  stream ? part({ content: 'x'.repeat(characters) }, null) : ' '.repeat(characters);

const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 };
const about = { id: 'x', created: 1, model: 'faulty' };

function answer({ response, stream }: Asked): void {
  if (!stream) return void response.writeHead(200, { 'content-type': 'application/json' }).end(whole());
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(part({ role: 'assistant', content: 'done' }, null));
  response.write(part({}, 'stop'));
  const last = { ...about, object: 'chat.completion.chunk', choices: [], usage };
  response.end(`data: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`);
}

function whole(): string {
  const choices = [{ index: 0, message: { role: 'assistant', content: 'done' }, finish_reason: 'stop' }];
  return JSON.stringify({ ...about, object: 'chat.completion', choices, usage });
}

function part(delta: object, finish_reason: string | null): string {
  const choices = [{ index: 0, delta, finish_reason }];
  return `data: ${JSON.stringify({ ...about, object: 'chat.completion.chunk', choices })}\n\n`;
}

function refuse(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end('{"error":{"message":"not now"}}');
}
