import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What an endpoint does to a call. */
export type Manner =
  | 'says nothing'
  | 'drips'
  | 'never ends'
  | 'half an answer'
  | 'is cut off'
  | 'an error in its stream'
  | 'calls a tool in half JSON'
  | { status: number; headers?: Record<string, string> }
  | 'answers';

export interface UnrulyEndpoint {
  readonly url: string;
  /** Calls so far. */
  readonly calls: () => number;
  /** Connections that were closed from outside while they were answered. */
  readonly closed: () => number;
  /** For the calls to come, one each; the last is for all that follow. */
  behave(...manners: Manner[]): void;
  close(): Promise<void>;
}

/** An OpenAI-compatible endpoint on loopback that can do everything wrong. */
export async function startUnrulyEndpoint(): Promise<UnrulyEndpoint> {
  let [calls, closed] = [0, 0];
  let manners: Manner[] = ['answers'];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      calls += 1;
      const manner = (manners.length > 1 ? manners.shift() : manners[0]) ?? 'answers';
      response.once('close', () => {
        if (!response.writableFinished) closed += 1;
      });
      const { stream } = JSON.parse(text) as { stream?: boolean };
      act(response, manner, stream === true);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls: () => calls,
    closed: () => closed,
    behave: (...next) => {
      [manners, calls, closed] = [next, 0, 0];
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function act(response: ServerResponse, manner: Manner, isStream: boolean): void {
  if (typeof manner === 'object')
    return void response.writeHead(manner.status, manner.headers).end('{"error":{"message":"not now"}}');
  if (manner === 'says nothing') return;
  response.writeHead(200, { 'content-type': isStream ? 'text/event-stream' : 'application/json' });
  if (manner === 'drips') return repeat(response, isStream ? ': still here\n\n' : ' ', 20);
  if (manner === 'never ends')
    return flood(response, isStream ? part({ content: 'word '.repeat(200) }) : ' '.repeat(1_000));
  if (manner === 'answers') return void response.end(isStream ? wholeStream : whole);
  if (manner === 'calls a tool in half JSON')
    return void response.end(isStream ? part({ tool_calls: [halfCall] }, 'tool_calls') : whole);
  if (manner === 'an error in its stream')
    return void response.end('data: {"error":{"message":"the model fell over","code":500}}\n\n');
  response.write(
    isStream ? part({ role: 'assistant', content: 'Half of what' }) : whole.slice(0, whole.length / 2),
    () => {
      if (manner === 'half an answer') response.end();
      else response.destroy();
    },
  );
}

function repeat(response: ServerResponse, text: string, everyMs: number): void {
  const timer = setInterval(() => response.write(text), everyMs);
  response.once('close', () => clearInterval(timer));
}

function flood(response: ServerResponse, text: string): void {
  while (!response.destroyed && response.write(text));
  response.once('drain', () => flood(response, text));
}

const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 };
const about = { id: 'x', created: 1, model: 'm' };
const halfCall = {
  index: 0,
  id: 'c1',
  type: 'function',
  function: { name: 'clock', arguments: '{"zone": "Eu' },
};
const whole = JSON.stringify({
  ...about,
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: 'whole' }, finish_reason: 'stop' }],
  usage,
});

function part(delta: object, finish_reason: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason }];
  return `data: ${JSON.stringify({ ...about, object: 'chat.completion.chunk', choices })}\n\n`;
}

const wholeStream = `${part({ role: 'assistant', content: 'whole' })}${part({}, 'stop')}data: [DONE]\n\n`;
