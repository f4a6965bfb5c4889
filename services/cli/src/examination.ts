import { ApiError, reasonOf, type Health } from '@runledger/client';
import { duration } from './rendering/durations.ts';
import type { Session } from './session.ts';
import { VERSION } from './version.ts';

export interface Finding {
  level: 'ok' | 'warn' | 'fail';
  check: string;
  detail: string;
}

const OLDEST_NODE = 24;
/** The server's `Date` has whole seconds. */
const SKEW_WARNING_MS = 5_000;

/** What `doctor` looks at, one finding each. What cannot be asked because the gateway is away is left out. */
export async function* examine(session: Session): AsyncGenerator<Finding, void> {
  const { client, credentials, signal } = session;
  yield node();
  yield { level: 'ok', check: 'configuration', detail: `${credentials.url} (from ${credentials.source})` };
  let health: Health;
  try {
    health = await client.health({ signal });
  } catch (error) {
    signal.throwIfAborted();
    yield {
      level: 'fail',
      check: 'gateway',
      detail: `${credentials.url} does not answer: ${reasonOf(error)}`,
    };
    return;
  }
  yield {
    level: health.ok ? 'ok' : 'fail',
    check: 'gateway',
    detail: health.ok ? `answers in ${health.latency_ms} ms` : `/healthz answers ${health.status}`,
  };
  yield* readiness(session);
  yield await key(session);
  yield clock(health);
}

function node(): Finding {
  const { node: version } = process.versions;
  const level = Number(version.split('.')[0]) >= OLDEST_NODE ? 'ok' : 'warn';
  const detail = `runledger ${VERSION}, node ${version}${level === 'ok' ? '' : ` (made for ${OLDEST_NODE} and later)`}`;
  return { level, check: 'versions', detail };
}

async function* readiness({ client, signal }: Session): AsyncGenerator<Finding, void> {
  const ready = await client.ready({ signal });
  const parts = partsOf(ready.body);
  yield {
    level: ready.ok ? 'ok' : 'fail',
    check: 'ready',
    detail: ready.ok ? 'takes work' : `/readyz answers ${ready.status}`,
  };
  for (const [name, state] of parts)
    yield { level: isFine(state) ? 'ok' : 'fail', check: `  ${name}`, detail: words(state) };
}

function partsOf(body: unknown): [string, unknown][] {
  const checks = typeof body === 'object' && body !== null && 'checks' in body ? body.checks : null;
  return typeof checks === 'object' && checks !== null ? Object.entries(checks) : [];
}

const FINE = new Set<unknown>(['ok', 'ready', 'up', 'alive', true]);

/** A part is a word, or an object with its word in `status`. */
function isFine(state: unknown): boolean {
  return FINE.has(typeof state === 'object' && state !== null && 'status' in state ? state.status : state);
}

const words = (state: unknown): string => (typeof state === 'string' ? state : JSON.stringify(state));

async function key({ client, signal }: Session): Promise<Finding> {
  try {
    const me = await client.me({ signal });
    const scopes = me.scopes ? `, scopes ${me.scopes.join(' ')}` : '';
    return { level: 'ok', check: 'key', detail: `user ${me.user_id} of tenant ${me.tenant_id}${scopes}` };
  } catch (error) {
    signal.throwIfAborted();
    const refused = error instanceof ApiError && (error.status === 401 || error.status === 403);
    const detail = refused ? `refused: ${error.message}` : `could not be checked: ${reasonOf(error)}`;
    return { level: 'fail', check: 'key', detail };
  }
}

function clock({ server_time, latency_ms }: Health): Finding {
  if (server_time === null)
    return { level: 'warn', check: 'clock', detail: 'the gateway does not say its time' };
  const apart = Math.abs(Date.now() - latency_ms - server_time.getTime());
  if (apart <= SKEW_WARNING_MS)
    return { level: 'ok', check: 'clock', detail: `within ${SKEW_WARNING_MS / 1000} s of the gateway` };
  return {
    level: 'warn',
    check: 'clock',
    detail: `${duration(apart)} from the gateway: times shown here are off by that`,
  };
}
