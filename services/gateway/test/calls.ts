/** Small HTTP client of the specs: answers with status, headers and the parsed body. */
export interface Answer {
  status: number;
  headers: Headers;
  // The specs look into bodies of many shapes.
  body: Record<string, unknown>;
  text: string;
}

export interface Call {
  key?: string;
  body?: unknown;
  raw?: string;
  headers?: Record<string, string>;
}

export async function call(
  method: string,
  url: string,
  { key, body, raw, headers = {} }: Call = {},
): Promise<Answer> {
  const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(url, {
    method,
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(payload === undefined ? {} : { body: payload }),
    redirect: 'manual',
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: parsed(text), text };
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** Where a problem says its faults are: `body /agent_id`. */
export const faults = (answer: Answer): string[] =>
  ((answer.body.errors ?? []) as { in: string; pointer: string }[]).map(
    (fault) => `${fault.in} ${fault.pointer}`,
  );
