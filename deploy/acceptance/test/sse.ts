export interface Frame {
  id: string;
  event: string;
  data: string;
}

export interface OpenStream {
  status: number;
  frames: Frame[];
  /** Everything received, as text. */
  raw: () => string;
  /** Resolves when the server has closed the stream. */
  ended: Promise<void>;
  close(): void;
}

/** A bare reader of a run's stream: no reconnection, no de-duplication, so that specs see what was really sent. */
export async function openStream(
  url: string,
  key: string,
  init: { method?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<OpenStream> {
  const abort = new AbortController();
  const response = await fetch(url, {
    method: init.method ?? 'GET',
    signal: abort.signal,
    headers: {
      authorization: `Bearer ${key}`,
      accept: 'text/event-stream',
      ...(init.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...init.headers,
    },
    ...(init.body === undefined ? {} : { body: JSON.stringify(init.body) }),
  });
  const stream: OpenStream & { text: string } = {
    status: response.status,
    frames: [],
    text: '',
    raw: () => stream.text,
    ended: Promise.resolve(),
    close: () => abort.abort(),
  };
  stream.ended = read(response, stream).catch(() => undefined);
  return stream;
}

async function read(response: Response, stream: OpenStream & { text: string }): Promise<void> {
  const decoder = new TextDecoder();
  let pending = '';
  for await (const chunk of response.body ?? []) {
    const text = decoder.decode(chunk, { stream: true });
    stream.text += text;
    const blocks = (pending + text).split('\n\n');
    pending = blocks.pop() ?? '';
    for (const block of blocks) {
      const frame = parse(block);
      if (frame) stream.frames.push(frame);
    }
  }
}

function parse(block: string): Frame | undefined {
  const field = (name: string): string =>
    block
      .split('\n')
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2) ?? '';
  return field('data') === '' ? undefined : { id: field('id'), event: field('event'), data: field('data') };
}
