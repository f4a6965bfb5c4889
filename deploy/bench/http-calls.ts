import { Agent, request, type IncomingMessage } from 'node:http';
import { FrameReader, type OnFrame } from './frame-reader.ts';

export interface Started {
  run_id: string;
}

/** The API as the benches call it: node:http with kept connections, and no more work per answer than needed. */
export class HttpCalls {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  readonly #url: URL;
  readonly authorization: string;

  constructor(url: string, key = 'none') {
    this.#url = new URL(url);
    this.authorization = `Bearer ${key}`;
  }

  async start(agent_id: string, input: unknown): Promise<Started> {
    const response = await this.#open(
      'POST',
      '/agents/run-code/start',
      {},
      JSON.stringify({ agent_id, input }),
    );
    const text = await textOf(response);
    if (response.statusCode !== 202) throw new Error(`a start was answered ${response.statusCode}: ${text}`);
    return JSON.parse(text) as Started;
  }

  async json<T>(path: string): Promise<T> {
    const response = await this.#open('GET', path, {});
    const text = await textOf(response);
    if (response.statusCode !== 200) throw new Error(`${path} was answered ${response.statusCode}: ${text}`);
    return JSON.parse(text) as T;
  }

  /** Reads a whole answer and counts its lines. */
  async lines(path: string, accept: string): Promise<{ lines: number; bytes: number }> {
    const response = await this.#open('GET', path, { accept });
    let lines = 0;
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) lines += 1;
    }
    if (response.statusCode !== 200) throw new Error(`${path} was answered ${response.statusCode}`);
    return { lines, bytes };
  }

  /** Opens a stream on a connection of its own. `opened` resolves with its headers, `ended` when it is over. */
  stream(path: string, onFrame: OnFrame): OpenStream {
    const opened = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const call = request(new URL(path, this.#url), {
      agent: new Agent(),
      headers: { authorization: this.authorization, accept: 'text/event-stream' },
    });
    const frames = new FrameReader(onFrame);
    call.on('response', (response) => {
      if (response.statusCode !== 200)
        opened.reject(new Error(`${path} was answered ${response.statusCode}`));
      else opened.resolve();
      response.on('data', (chunk: Buffer) => frames.take(chunk));
      response.on('close', () => ended.resolve());
    });
    call.on('error', (error) => {
      opened.reject(error);
      ended.resolve();
    });
    call.end();
    opened.promise.catch(() => undefined);
    return { opened: opened.promise, ended: ended.promise, close: () => void call.destroy() };
  }

  close(): void {
    this.#agent.destroy();
  }

  #open(
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: string,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const sent: Record<string, string | number> = { authorization: this.authorization, ...headers };
      if (body !== undefined) {
        sent['content-type'] = 'application/json';
        sent['content-length'] = Buffer.byteLength(body);
      }
      const call = request(new URL(path, this.#url), { agent: this.#agent, method, headers: sent }, resolve);
      call.on('error', reject);
      call.end(body);
    });
  }
}

export interface OpenStream {
  opened: Promise<void>;
  ended: Promise<void>;
  close(): void;
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) text += chunk;
  return text;
}
