import { HttpAgent, type Message } from '@ag-ui/client';
import { withoutWarnings } from '../../../services/gateway/test/ag-ui/verified.ts';
import type { Cell } from './cell.ts';

/** An event as AG-UI's client hands it on, after its own checks. */
export interface Seen {
  type: string;
  [field: string]: unknown;
}

/** Called for every event, while the stream is open. */
export type Watch = (event: Seen, all: readonly Seen[]) => void | Promise<void>;

interface Call {
  cell: Cell;
  key: string;
  /** Below the cell's address. */
  path: string;
  method?: 'GET';
  threadId?: string;
  messages?: Message[];
  fetch?: typeof fetch;
}

/** AG-UI's own client: as it is for POST; over GET it only leaves the body out. */
export function agUiAgent({ cell, key, path, method, threadId, messages, fetch: own }: Call): HttpAgent {
  const Agent = method === 'GET' ? GetAgent : HttpAgent;
  return new Agent({
    url: `${cell.url}${path}`,
    headers: { authorization: `Bearer ${key}` },
    ...(threadId === undefined ? {} : { threadId }),
    ...(messages === undefined ? {} : { initialMessages: messages }),
    ...(own === undefined ? {} : { fetch: own }),
  });
}

class GetAgent extends HttpAgent {
  protected override requestInit(): RequestInit {
    return { method: 'GET', headers: this.headers, signal: this.abortController.signal };
  }
}

/**
 * One AG-UI run: what the client's verifier let through. Rejects when it let something not through, when it warned of
 * anything, and when the stream ended without a terminal event, which the client itself takes without a word.
 */
export async function ran(
  agent: HttpAgent,
  parameters: Parameters<HttpAgent['runAgent']>[0] = {},
  watch: Watch = () => undefined,
): Promise<Seen[]> {
  const seen: Seen[] = [];
  await withoutWarnings(() =>
    agent.runAgent(parameters, {
      onEvent: async ({ event }) => {
        seen.push(event);
        await watch(event, seen);
      },
    }),
  );
  const last = seen.at(-1)?.type ?? 'nothing';
  if (last !== 'RUN_FINISHED' && last !== 'RUN_ERROR') throw new Error(`the stream ended with ${last}`);
  return seen;
}

/** Where the first event of a run names it. */
export const runIdOf = (seen: readonly Seen[]): string =>
  (seen[0]?.['metadata'] as { run_id: string } | undefined)?.run_id ?? '';
