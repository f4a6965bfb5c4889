import { setTimeout as pause } from 'node:timers/promises';
import type { Cell } from './cell.ts';

export interface Answer {
  status: number;
  ms: number;
  /** Seconds that `Retry-After` asks for; 0: it is not there. */
  retryAfter: number;
  code: string;
  body: Record<string, unknown>;
  text: string;
  headers: Headers;
}

export interface Ask {
  method?: string;
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  key?: string;
  timeoutMs?: number;
}

/** One request to the gateway, without any repeat. Status 0: there was no answer in time. */
export async function ask(
  cell: Cell,
  { method = 'GET', path, body, headers = {}, key, timeoutMs = 30_000 }: Ask,
) {
  const begun = performance.now();
  const answer = (more: Partial<Answer>): Answer => ({
    status: 0,
    ms: performance.now() - begun,
    retryAfter: 0,
    code: '',
    body: {},
    text: '',
    headers: new Headers(),
    ...more,
  });
  try {
    const response = await fetch(`${cell.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key ?? (await cell.key())}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    const found = parsed(text);
    return answer({
      status: response.status,
      retryAfter: Number(response.headers.get('retry-after') ?? 0),
      code: typeof found['code'] === 'string' ? found['code'] : '',
      body: found,
      text,
      headers: response.headers,
    });
  } catch (error) {
    return answer({ text: String(error) });
  }
}

/** Starts by somebody who takes the first answer, one after the other, until `done`. */
export async function startsUntil(
  cell: Cell,
  everyMs: number,
  body: object,
  done: (answers: readonly Answer[]) => boolean,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  while (!done(answers)) {
    answers.push(await ask(cell, { method: 'POST', path: '/agents/run-code/start', body }));
    await pause(everyMs);
  }
  return answers;
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
