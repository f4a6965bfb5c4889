import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ModelEndpoint {
  readonly url: string;
  /** The last user message of every call, in order. */
  readonly calls: string[];
  readonly keys: (string | undefined)[];
  /** Statuses that the next calls are refused with. */
  refuse: number[];
  /** Calls after the first `after` get no answer until `release`. */
  holdAfter(after: number): void;
  release(): void;
  close(): Promise<void>;
}

interface Body {
  stream?: boolean;
  messages: { role: string; content: string | { text: string }[] }[];
}

/** An OpenAI-compatible endpoint that answers `you said: …`. */
export async function startModelEndpoint(): Promise<ModelEndpoint> {
  const calls: string[] = [];
  const keys: (string | undefined)[] = [];
  let limit = Infinity;
  let held: (() => void)[] = [];
  const endpoint = { refuse: [] as number[] };
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const body = JSON.parse(text) as Body;
      const content = body.messages.findLast((message) => message.role === 'user')?.content ?? '';
      const said = typeof content === 'string' ? content : content.map((part) => part.text).join('');
      calls.push(said);
      keys.push(request.headers.authorization);
      const status = endpoint.refuse.shift();
      if (status !== undefined)
        return void response
          .writeHead(status, { 'content-type': 'application/json' })
          .end('{"error":{"message":"not now"}}');
      const answer = (): void =>
        body.stream ? stream(response, `you said: ${said}`) : whole(response, `you said: ${said}`);
      if (calls.length > limit) held.push(answer);
      else answer();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(endpoint, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls,
    keys,
    holdAfter: (after: number) => void (limit = after),
    release: () => {
      limit = Infinity;
      for (const answer of held.splice(0)) answer();
      held = [];
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}

const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 };

function whole(response: ServerResponse, content: string): void {
  const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }];
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify({ id: 'x', object: 'chat.completion', created: 1, model: 'm', choices, usage }));
}

function stream(response: ServerResponse, content: string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const chunk = (delta: object, finish_reason: string | null): string =>
    `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
  response.write(chunk({ role: 'assistant', content }, null));
  response.write(chunk({}, 'stop'));
  response.write(
    `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [], usage })}\n\n`,
  );
  response.end('data: [DONE]\n\n');
}
