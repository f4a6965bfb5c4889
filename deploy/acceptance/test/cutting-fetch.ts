/** A `fetch` as the guide asks for: it goes on after every cut, and hands the frames on as one stream. */
export interface CuttingFetch {
  fetch: typeof fetch;
  /** Ids of the frames, in the order in which they came. */
  ids: string[];
  /** Connections that were made. */
  connections: () => number;
}

/** Cuts each connection itself, after `frames` frames. */
export function cutting(frames: number): CuttingFetch {
  const ids: string[] = [];
  let connections = 0;
  const connect = async (url: Parameters<typeof fetch>[0], init: RequestInit = {}): Promise<Response> => {
    connections += 1;
    const last = ids.at(-1);
    const headers = {
      ...(init.headers as Record<string, string>),
      ...(last ? { 'last-event-id': last } : {}),
    };
    return fetch(url, { ...init, headers });
  };
  async function* whole(first: Response, again: () => Promise<Response>): AsyncGenerator<Uint8Array> {
    for (let response = first; response.status === 200; response = await again()) {
      let left = frames;
      for await (const frame of framesOf(response)) {
        ids.push(frame.id);
        yield new TextEncoder().encode(frame.text);
        left -= 1;
        if (frame.isTerminal) return;
        if (left === 0) break;
      }
    }
  }
  return {
    ids,
    connections: () => connections,
    fetch: async (url, init) => {
      const first = await connect(url, init);
      if (!first.ok) return first;
      return new Response(ReadableStream.from(whole(first, () => connect(url, init))), {
        headers: first.headers,
      });
    },
  };
}

async function* framesOf(
  response: Response,
): AsyncGenerator<{ id: string; text: string; isTerminal: boolean }> {
  let pending = '';
  for await (const text of (response.body ?? ReadableStream.from([])).pipeThrough(new TextDecoderStream())) {
    const blocks = (pending + text).split('\n\n');
    pending = blocks.pop() ?? '';
    for (const block of blocks) {
      const id = /^id: (.*)$/m.exec(block)?.[1];
      if (id !== undefined)
        yield { id, text: `${block}\n\n`, isTerminal: /"type":"RUN_(FINISHED|ERROR)"/.test(block) };
    }
  }
}
