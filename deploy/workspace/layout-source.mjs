// proto/subjects.yaml as a TypeScript constant: sizes in bytes, ages in seconds, every setting written out.
import { readFileSync } from 'node:fs';
import YAML from 'yaml';

const SIZE_UNITS = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const AGE_UNITS = { s: 1, m: 60, h: 3600, d: 86_400 };
export const SERVICES = ['gateway', 'run-scheduler', 'agent-executor', 'notifier', 'reconciler', 'bootstrap'];

/** Throws with the name of the entry and the field at fault. */
export function readLayout(path) {
  const { version, streams, subjects, consumers, buckets, object_stores, ...rest } = YAML.parse(
    readFileSync(path, 'utf8'),
  );
  for (const name of Object.keys(rest)) throw new Error(`subjects.yaml: unknown section ${name}`);
  const layout = {
    version,
    streams: streams.map(stream),
    subjects: subjects.map(subject),
    consumers: consumers.map(consumer),
    buckets: buckets.map(bucket),
    object_stores: object_stores.map(objectStore),
  };
  for (const entry of layout.subjects) {
    const owner =
      layout.streams.find((candidate) => candidate.subjects.includes(entry.subject))?.name ?? null;
    if (owner !== entry.stream)
      throw new Error(
        `subjects.yaml: ${entry.subject} is listed under ${entry.stream}, captured by ${owner}`,
      );
  }
  const stored = [
    ...layout.streams.map(({ name }) => name),
    ...layout.buckets.map(({ bucket: name }) => `KV_${name}`),
  ];
  for (const { durable, stream: owner } of layout.consumers)
    if (!stored.includes(owner))
      throw new Error(`subjects.yaml: ${durable} is on ${owner}, which is not listed`);
  for (const { name, subjects: captured } of layout.streams)
    for (const missing of captured.filter((one) => !layout.subjects.some((entry) => entry.subject === one)))
      throw new Error(`subjects.yaml: ${missing} of ${name} is not listed under subjects`);
  return layout;
}

function stream(entry) {
  const {
    name,
    description,
    subjects,
    retention,
    discard,
    max_bytes,
    max_msg_size,
    max_msgs_per_subject,
    max_consumers,
    max_age,
  } = entry;
  return {
    name,
    description,
    subjects,
    retention: oneOf(['limits', 'workqueue'], retention, `${name}.retention`),
    discard: oneOf(['new', 'old'], discard, `${name}.discard`),
    max_bytes: size(max_bytes, `${name}.max_bytes`),
    max_msg_size: size(max_msg_size, `${name}.max_msg_size`),
    max_msgs_per_subject: whole(max_msgs_per_subject, `${name}.max_msgs_per_subject`),
    discard_new_per_subject: entry.discard_new_per_subject ?? false,
    max_consumers: whole(max_consumers, `${name}.max_consumers`),
    max_age_s: age(max_age, `${name}.max_age`),
    allow_direct: entry.allow_direct ?? false,
    allow_msg_schedules: entry.allow_msg_schedules ?? false,
    deny_delete: entry.deny_delete ?? false,
    deny_purge: entry.deny_purge ?? false,
    republish: entry.republish ?? null,
    info: services(entry.info ?? [], `${name}.info`),
    erasers: services(entry.erasers ?? [], `${name}.erasers`),
  };
}

function subject(entry) {
  const { subject: name, stream: owner, description } = entry;
  return {
    subject: name,
    stream: owner,
    description,
    publishers: services(entry.publishers, name),
    publish_as: entry.publish_as ?? name,
    readers: services(entry.readers, name),
  };
}

function consumer({ durable, stream: owner, filter, service }) {
  return { durable, stream: owner, filter, service: oneOf(SERVICES, service, durable) };
}

function bucket(entry) {
  const { bucket: name, description, history } = entry;
  return {
    bucket: name,
    description,
    history: whole(history, `${name}.history`),
    max_value_size: size(entry.max_value_size, `${name}.max_value_size`),
    max_age_s: age(entry.max_age ?? 0, `${name}.max_age`),
    allow_msg_ttl: entry.allow_msg_ttl ?? false,
    writers: services(entry.writers, name),
    readers: services(entry.readers, name),
    info: services(entry.info ?? [], `${name}.info`),
    erasers: services(entry.erasers ?? [], `${name}.erasers`),
  };
}

function objectStore(entry) {
  const { store: name, description } = entry;
  return {
    store: name,
    description,
    writers: services(entry.writers, name),
    readers: services(entry.readers, name),
    erasers: services(entry.erasers ?? [], `${name}.erasers`),
  };
}

function services(names, where) {
  for (const name of names) oneOf(SERVICES, name, where);
  return names;
}

function oneOf(allowed, value, where) {
  if (allowed.includes(value)) return value;
  throw new Error(`subjects.yaml: ${where}: ${value} is none of ${allowed.join(', ')}`);
}

function whole(value, where) {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`subjects.yaml: ${where}: not a whole number: ${value}`);
}

const size = (value, where) => withUnit(value, SIZE_UNITS, where);
const age = (value, where) => withUnit(value, AGE_UNITS, where);

function withUnit(value, units, where) {
  if (value === 0) return 0;
  const [, digits, unit] = /^(\d+)([A-Za-z]+)$/.exec(String(value)) ?? [];
  if (units[unit] === undefined)
    throw new Error(
      `subjects.yaml: ${where}: ${value} is not a number with ${Object.keys(units).join(', ')}`,
    );
  return Number(digits) * units[unit];
}

const without = (entry, ...keys) =>
  Object.fromEntries(Object.entries(entry).filter(([key]) => !keys.includes(key)));

/** The module `layout.ts`. It imports nothing, and leaves to permissions.ts what only permissions are made of. */
export function layoutSource(layout) {
  const plain = {
    ...without(layout, 'consumers'),
    streams: layout.streams.map((entry) => without(entry, 'info', 'erasers')),
    subjects: layout.subjects.map((entry) => without(entry, 'publish_as')),
    buckets: layout.buckets.map((entry) => without(entry, 'info', 'erasers')),
    object_stores: layout.object_stores.map((entry) => without(entry, 'erasers')),
  };
  return `// Generated from proto/subjects.yaml by \`npm run generate\`. Do not edit.

export type LayoutService = ${SERVICES.map((name) => `'${name}'`).join(' | ')};

/** Sizes in bytes, ages in seconds, 0: unlimited. */
export interface Layout {
  version: number;
  streams: readonly {
    name: string;
    description: string;
    subjects: readonly string[];
    retention: 'limits' | 'workqueue';
    discard: 'new' | 'old';
    max_bytes: number;
    max_msg_size: number;
    max_msgs_per_subject: number;
    discard_new_per_subject: boolean;
    max_consumers: number;
    max_age_s: number;
    allow_direct: boolean;
    allow_msg_schedules: boolean;
    deny_delete: boolean;
    deny_purge: boolean;
    republish: { src: string; dest: string } | null;
  }[];
  subjects: readonly {
    subject: string;
    /** null: core NATS, not stored. */
    stream: string | null;
    description: string;
    publishers: readonly LayoutService[];
    readers: readonly LayoutService[];
  }[];
  buckets: readonly {
    bucket: string;
    description: string;
    history: number;
    max_value_size: number;
    max_age_s: number;
    allow_msg_ttl: boolean;
    writers: readonly LayoutService[];
    readers: readonly LayoutService[];
  }[];
  object_stores: readonly {
    store: string;
    description: string;
    writers: readonly LayoutService[];
    readers: readonly LayoutService[];
  }[];
}

export const LAYOUT: Layout = ${JSON.stringify(plain, null, 2)};
`;
}
