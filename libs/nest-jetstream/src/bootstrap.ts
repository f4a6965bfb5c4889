import { isDeepStrictEqual } from 'node:util';
import {
  type JetStreamManager,
  JetStreamApiError,
  type StreamConfig,
  type StreamUpdateConfig,
} from '@nats-io/jetstream';
import { errors, nanos } from '@nats-io/transport-node';
import type { BucketLayout, Layout, ObjectStoreLayout, StreamLayout } from './layout.ts';
import type { Broker } from './port.ts';

/**
 * Owns that every stream, bucket and object store of a layout exists with the layout's settings.
 *
 * 1. Repeated and concurrent calls end in the same server state.
 * 2. A stream set by a newer layout version is left as it is.
 * 3. Size and replicas of an existing stream are the operator's: they change only by an explicit option.
 * 4. The largest reservation is made last, and a default that does not fit the server's store is halved until it does.
 */

export interface BootstrapOptions {
  /** Replicas of every stream; default 1 for new ones. */
  replicas?: number;
  /** Size of the log in bytes. Unlike the layout's default it is never lowered: what does not fit is an error. */
  runsMaxBytes?: number;
}

type Wanted = Partial<StreamConfig> & { name: string };

const LAYOUT_VERSION = 'runledger_layout';
const SMALLEST_DEFAULT_BYTES = 32 * 1024 * 1024;
const LOG = 'RUNS';
/** Of 5 s each. */
const ATTEMPTS = 12;

const NOT_FOUND = 10059;
const NAME_IN_USE = 10058;
const NO_ROOM = [10002, 10047, 10122];

/** Throws what the broker answered, with the stream's name, when one cannot be made or changed. */
export async function bootstrap(
  broker: Broker,
  layout: Layout,
  options: BootstrapOptions = {},
): Promise<void> {
  const jsm = await broker.jsm();
  const wanted = [
    ...layout.streams.map((stream) => streamConfig(stream, options)),
    ...layout.buckets.map(bucketConfig),
    ...layout.object_stores.map(objectStoreConfig),
  ].map((config) => ({ ...config, metadata: { [LAYOUT_VERSION]: String(layout.version) } }));
  const largest = Math.max(...wanted.map(reservation));
  const first = wanted.filter((config) => reservation(config) < largest);
  const last = wanted.filter((config) => reservation(config) === largest);
  for (const group of [first, last]) await Promise.all(group.map((config) => ensure(jsm, config, options)));
}

const reservation = (config: Wanted): number => Math.max(config.max_bytes ?? 0, 0);

/** 0 is unlimited in the layout, -1 on the server. */
const limit = (value: number): number => (value === 0 ? -1 : value);

function streamConfig(stream: StreamLayout, options: BootstrapOptions): Wanted {
  const {
    max_bytes,
    max_msg_size,
    max_msgs_per_subject,
    max_consumers,
    max_age_s,
    republish,
    subjects,
    ...same
  } = stream;
  return {
    ...same,
    subjects: [...subjects],
    storage: 'file',
    max_bytes: limit(stream.name === LOG ? (options.runsMaxBytes ?? max_bytes) : max_bytes),
    max_msg_size: limit(max_msg_size),
    max_msgs_per_subject: limit(max_msgs_per_subject),
    max_consumers: limit(max_consumers),
    max_age: nanos(max_age_s * 1000),
    ...(republish ? { republish } : {}),
  };
}

/** What `@nats-io/kv` makes and expects of a bucket's stream. Deleting by number stays possible: erasure overwrites. */
function bucketConfig(layout: BucketLayout): Wanted {
  const { bucket, description, history, max_value_size, max_age_s = 0, allow_msg_ttl } = layout;
  return {
    name: `KV_${bucket}`,
    description,
    subjects: [`$KV.${bucket}.>`],
    retention: 'limits',
    storage: 'file',
    discard: 'new',
    max_msgs_per_subject: history,
    max_msg_size: limit(max_value_size),
    max_age: nanos(max_age_s * 1000),
    max_bytes: -1,
    allow_direct: true,
    allow_rollup_hdrs: true,
    ...(allow_msg_ttl ? { allow_msg_ttl } : {}),
  };
}

/** What `@nats-io/obj` makes and expects of a store's stream. */
function objectStoreConfig({ store, description }: ObjectStoreLayout): Wanted {
  return {
    name: `OBJ_${store}`,
    description,
    subjects: [`$O.${store}.C.>`, `$O.${store}.M.>`],
    retention: 'limits',
    storage: 'file',
    discard: 'new',
    max_bytes: -1,
    allow_direct: true,
    allow_rollup_hdrs: true,
  };
}

/** A cluster that has just begun may take a while to answer; what was asked for twice is made once. */
async function ensure(jsm: JetStreamManager, wanted: Wanted, options: BootstrapOptions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ensureOnce(jsm, wanted, options);
    } catch (error) {
      const cause = (error as { cause?: unknown }).cause;
      const silent = cause instanceof errors.TimeoutError || cause instanceof errors.RequestError;
      if (!silent || attempt >= ATTEMPTS) throw error;
    }
  }
}

async function ensureOnce(jsm: JetStreamManager, wanted: Wanted, options: BootstrapOptions): Promise<void> {
  try {
    const existing = await find(jsm, wanted.name);
    if (existing) return await change(jsm, existing, wanted, options);
    const exact = wanted.name === LOG && options.runsMaxBytes !== undefined;
    if (await make(jsm, { ...wanted, num_replicas: options.replicas ?? 1 }, exact)) return;
    // Another process made it meanwhile, with a size or version of its own.
    const theirs = await find(jsm, wanted.name);
    if (theirs) await change(jsm, theirs, wanted, options);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`stream ${wanted.name} cannot be made or changed: ${reason}`, { cause });
  }
}

async function find(jsm: JetStreamManager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await jsm.streams.info(name)).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NOT_FOUND) return undefined;
    throw error;
  }
}

/** False when another process has made it with other settings. */
async function make(jsm: JetStreamManager, wanted: Wanted, exact: boolean): Promise<boolean> {
  for (let bytes = wanted.max_bytes ?? -1; ; bytes = Math.floor(bytes / 2)) {
    try {
      await jsm.streams.add({ ...wanted, max_bytes: bytes });
      return true;
    } catch (error) {
      if (!(error instanceof JetStreamApiError)) throw error;
      if (error.code === NAME_IN_USE) return false;
      const lowest = exact || bytes / 2 < SMALLEST_DEFAULT_BYTES;
      if (lowest || !isNoRoom(error)) throw error;
    }
  }
}

const isNoRoom = (error: JetStreamApiError): boolean =>
  NO_ROOM.includes(error.code) || error.message.includes('insufficient storage');

async function change(
  jsm: JetStreamManager,
  existing: StreamConfig,
  wanted: Wanted,
  options: BootstrapOptions,
): Promise<void> {
  const version = Number(wanted.metadata?.[LAYOUT_VERSION]);
  if (Number(existing.metadata?.[LAYOUT_VERSION] ?? 0) > version) return;
  const { name, max_bytes, metadata, ...settings } = wanted;
  const target: Partial<StreamUpdateConfig> = {
    ...settings,
    metadata: { ...existing.metadata, ...metadata },
  };
  if (options.replicas !== undefined) target.num_replicas = options.replicas;
  if (name === LOG && options.runsMaxBytes !== undefined && max_bytes !== undefined)
    target.max_bytes = max_bytes;
  const current = existing as Partial<Record<string, unknown>>;
  const differs = Object.entries(target).some(
    ([key, value]) => !isDeepStrictEqual(plain(current[key]), plain(value)),
  );
  if (differs) await jsm.streams.update(name, target);
}

/** The server leaves out what is off. */
const plain = (value: unknown): unknown =>
  value === undefined || value === 0 || value === '' ? false : value;
