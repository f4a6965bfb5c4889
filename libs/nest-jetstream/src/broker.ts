import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, errors, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { type BrokerSecurity, securityOptions } from './broker-security.ts';
import type { Broker } from './port.ts';

/*
 * Owns the connection to the broker: how it is made, checked and closed. Does not own streams or consumers.
 *
 * B1  A connection that is handed out is to a server at or above the floor, with JetStream.
 * B2  A broker that is not up yet is waited for; one that refuses us (credentials, version) is an error at once.
 * B3  A lost connection is re-made for ever; a dead link is noticed within 30 s.
 * B4  Every change of the connection is told to `onStatus`. A password is never told.
 * B5  With a `tls:` URL or a CA nothing is said to a broker whose certificate does not prove who it is.
 */

export const BROKER_FLOOR = '2.14.5';
const CONNECT_TIMEOUT_MS = 5_000;
const PING_INTERVAL_MS = 10_000;
const DRAIN_MS = 2_000;

export interface BrokerEvent {
  type: 'waiting' | 'connected' | 'disconnected' | 'reconnected' | 'error' | 'closed';
  detail: string;
}

export interface BrokerOptions extends BrokerSecurity {
  /** `nats://[user:password@]host:port` or `tls://...`, several separated by commas. */
  url: string;
  /** The connection's name at the broker. */
  name: string;
  /** What replies are sent to, without the last dot: an identity may listen to its own only. Default `_INBOX`. */
  inboxPrefix?: string;
  floor?: string;
  /** Longest wait for a broker that is not up; absent: for ever. */
  waitMs?: number;
  onStatus?: (event: BrokerEvent) => void;
  /** Ends the waiting. */
  signal?: AbortSignal;
}

/** The broker at `url` cannot be used, now or later, as it is configured. */
export class BrokerUnusable extends Error {
  constructor(
    readonly code: 'too_old' | 'no_jetstream' | 'refused',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'BrokerUnusable';
  }
}

/**
 * Connects, waiting for a broker that is not up yet.
 * @throws BrokerUnusable; Error when nothing answers within `waitMs` or `signal` is aborted.
 */
export async function connectBroker(options: BrokerOptions): Promise<Broker> {
  const nc = await connectWithPatience(options);
  try {
    checkServer(nc, options);
  } catch (error) {
    await nc.close();
    throw error;
  }
  tellStatus(nc, options);
  let manager: Promise<JetStreamManager> | undefined;
  return {
    nc,
    js: jetstream(nc, { checkAPI: false }),
    jsm: () => (manager ??= jetstreamManager(nc, { checkAPI: false })),
    close: () => drainAndClose(nc),
  };
}

async function connectWithPatience(options: BrokerOptions): Promise<NatsConnection> {
  const settings = await connectionOptions(options);
  const giveUpAt = performance.now() + (options.waitMs ?? Infinity);
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      return await connect(settings);
    } catch (error) {
      if (isRefusal(error)) throw refused(options.url, error);
      const waitMs = Math.min(2_000, 100 * 2 ** Math.min(attempt, 6)) * (0.75 + Math.random() / 2);
      if (performance.now() + waitMs > giveUpAt)
        throw new Error(`no broker at ${shown(options.url)} within ${options.waitMs} ms: ${text(error)}`, {
          cause: error,
        });
      options.onStatus?.({
        type: 'waiting',
        detail: `no broker at ${shown(options.url)} yet (attempt ${attempt}): ${text(error)}`,
      });
      await pause(waitMs, undefined, options.signal ? { signal: options.signal } : {});
    }
  }
}

async function connectionOptions(options: BrokerOptions): Promise<NodeConnectionOptions> {
  const urls = options.url.split(',').map((url) => new URL(url.includes('://') ? url : `nats://${url}`));
  const security = await securityOptions(urls, options);
  return {
    servers: urls.map(({ host }) => host),
    name: options.name,
    timeout: CONNECT_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
    // The async stack that nats.js adds to each request costs more than the request.
    noAsyncTraces: true,
    ignoreAuthErrorAbort: true,
    ...(options.inboxPrefix === undefined ? {} : { inboxPrefix: options.inboxPrefix }),
    ...security,
  };
}

function checkServer(nc: NatsConnection, options: BrokerOptions): void {
  const floor = options.floor ?? BROKER_FLOOR;
  const found = nc.info?.version ?? '0.0.0';
  if (isOlder(found, floor))
    throw new BrokerUnusable(
      'too_old',
      `nats-server ${found} at ${shown(options.url)} is too old: ${floor} or newer is needed`,
    );
  if (nc.info?.jetstream !== true)
    throw new BrokerUnusable(
      'no_jetstream',
      `nats-server ${found} at ${shown(options.url)} runs without JetStream: start it with -js or a jetstream block`,
    );
  options.onStatus?.({
    type: 'connected',
    detail: `nats-server ${found} (${nc.info.server_name}) at ${shown(options.url)}`,
  });
}

/** `2.14.5` before `2.14.10`; a pre-release counts as its release. */
function isOlder(version: string, floor: string): boolean {
  const [a, b] = [version, floor].map((value) => value.split(/[.-]/).slice(0, 3).map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (a?.[index] ?? 0) - (b?.[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function tellStatus(nc: NatsConnection, { url, onStatus }: BrokerOptions): void {
  const told = async (): Promise<void> => {
    for await (const status of nc.status()) {
      if (status.type === 'disconnect') onStatus?.({ type: 'disconnected', detail: `lost ${shown(url)}` });
      else if (status.type === 'reconnect')
        onStatus?.({ type: 'reconnected', detail: `back at ${shown(url)}` });
      else if (status.type === 'error') onStatus?.({ type: 'error', detail: text(status.error) });
    }
  };
  void told();
  void nc.closed().then((error) => onStatus?.({ type: 'closed', detail: error ? text(error) : 'closed' }));
}

async function drainAndClose(nc: NatsConnection): Promise<void> {
  if (nc.isClosed()) return;
  // Without a server to answer, a drain never ends.
  const late = new AbortController();
  await Promise.race([
    nc.drain().catch(() => undefined),
    pause(DRAIN_MS, undefined, { signal: late.signal }).catch(() => undefined),
  ]);
  late.abort();
  if (!nc.isClosed()) await nc.close();
}

function isRefusal(error: unknown): boolean {
  return error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError;
}

function refused(url: string, error: unknown): BrokerUnusable {
  return new BrokerUnusable(
    'refused',
    `the broker at ${shown(url)} refuses these credentials: ${text(error)}`,
    { cause: error },
  );
}

function shown(url: string): string {
  return url.replaceAll(/\/\/[^@/,]*@/g, '//');
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
