import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import YAML from 'yaml';

/** proto/subjects.yaml as it is written: the rules below are read from it, not from the table that is made of it. */
interface Written {
  streams: { name: string; info?: string[]; erasers?: string[] }[];
  subjects: { subject: string; stream: string | null; publishers: string[]; readers: string[] }[];
  consumers: { durable: string; stream: string; filter: string; service: string }[];
  buckets: { bucket: string; writers: string[]; readers: string[]; info?: string[]; erasers?: string[] }[];
  object_stores: { store: string; writers: string[]; readers: string[]; erasers?: string[] }[];
}

/** One thing somebody may try at the broker, and who is allowed to. */
export interface Verb {
  subject: string;
  allowed: readonly string[];
}

const written = YAML.parse(
  readFileSync(join(import.meta.dirname, '../../../proto/subjects.yaml'), 'utf8'),
) as Written;
const SERVICES = ['gateway', 'run-scheduler', 'agent-executor', 'notifier', 'reconciler', 'bootstrap'];
const NOBODY: string[] = [];

/** Subjects that exist, one for each class. */
const concrete = (subject: string): string => subject.replaceAll('*', 'one').replace(/>$/, 'one.two');

interface StoredStream {
  name: string;
  readers: string[];
  info: string[];
  erasers: string[];
}

const all = (lists: string[][]): string[] => [...new Set(lists.flat())];

const STREAMS: StoredStream[] = [
  ...written.streams.map(({ name, info = [], erasers = [] }) => ({
    name,
    info,
    erasers,
    readers: all(written.subjects.filter(({ stream }) => stream === name).map(({ readers }) => readers)),
  })),
  ...written.buckets.map(({ bucket, readers, info = [], erasers = [] }) => ({
    name: `KV_${bucket}`,
    readers,
    info,
    erasers,
  })),
  ...written.object_stores.map(({ store, readers, erasers = [] }) => ({
    name: `OBJ_${store}`,
    readers,
    info: readers,
    erasers,
  })),
];

function publishing(): Verb[] {
  const stored = written.subjects
    .filter(({ subject }) => subject !== 'dead.>')
    .map(({ subject, publishers }) => ({ subject: concrete(subject), allowed: publishers }));
  // A dead letter bears the name of who wrote it.
  const { publishers: buriers = [] } = written.subjects.find(({ subject }) => subject === 'dead.>') ?? {};
  const letters = SERVICES.map((service) => ({
    subject: `dead.${service}.durable`,
    allowed: buriers.filter((name) => name === service),
  }));
  const values = written.buckets.map(({ bucket, writers }) => ({
    subject: `$KV.${bucket}.one.two`,
    allowed: writers,
  }));
  const blobs = written.object_stores.flatMap(({ store, writers }) =>
    [`$O.${store}.C.one`, `$O.${store}.M.one`].map((subject) => ({ subject, allowed: writers })),
  );
  return [...stored, ...letters, ...values, ...blobs];
}

function streamVerbs({ name, readers, info, erasers }: StoredStream): Verb[] {
  const api = (verb: string, allowed: readonly string[]): Verb => ({ subject: `$JS.API.${verb}`, allowed });
  const never = [
    `STREAM.DELETE.${name}`,
    `STREAM.PURGE.${name}`,
    `STREAM.SNAPSHOT.${name}`,
    `STREAM.RESTORE.${name}`,
    `STREAM.LEADER.STEPDOWN.${name}`,
    `STREAM.PEER.REMOVE.${name}`,
    `CONSUMER.NAMES.${name}`,
    `CONSUMER.LIST.${name}`,
    `CONSUMER.CREATE.${name}`,
    `CONSUMER.CREATE.${name}.spy`,
    `CONSUMER.CREATE.${name}.spy.one.two`,
    `CONSUMER.DURABLE.CREATE.${name}.spy`,
    `CONSUMER.INFO.${name}.spy`,
    `CONSUMER.MSG.NEXT.${name}.spy`,
  ];
  return [
    api(`STREAM.CREATE.${name}`, ['bootstrap']),
    api(`STREAM.UPDATE.${name}`, ['bootstrap']),
    api(`STREAM.INFO.${name}`, [...info, 'bootstrap']),
    api(`STREAM.MSG.GET.${name}`, readers),
    api(`STREAM.MSG.DELETE.${name}`, erasers),
    api(`DIRECT.GET.${name}`, readers),
    api(`DIRECT.GET.${name}.one.two`, readers),
    ...never.map((verb) => api(verb, NOBODY)),
  ];
}

function durableVerbs(pool: string): Verb[] {
  return written.consumers.flatMap(({ durable, stream, filter, service }) => {
    const name = durable.replace('<pool>', pool);
    const at = `${stream}.${name}`;
    const own = [
      `$JS.API.CONSUMER.INFO.${at}`,
      `$JS.API.CONSUMER.MSG.NEXT.${at}`,
      `$JS.API.CONSUMER.CREATE.${at}.${filter.replace('<pool>', pool)}`,
      `$JS.ACK.${at}.1.2.3.4.5`,
      `$JS.ACK.domain.account.${at}.1.2.3.4.5.random`,
    ];
    const never = [
      `$JS.API.CONSUMER.CREATE.${at}`,
      `$JS.API.CONSUMER.CREATE.${at}.>`,
      `$JS.API.CONSUMER.DURABLE.CREATE.${at}`,
      ...['DELETE', 'PAUSE', 'RESET', 'UNPIN', 'LEADER.STEPDOWN'].map(
        (verb) => `$JS.API.CONSUMER.${verb}.${at}`,
      ),
      `$JS.FC.${at}.one`,
    ];
    return [
      ...own.map((subject) => ({ subject, allowed: [service] })),
      ...never.map((subject) => ({ subject, allowed: NOBODY })),
    ];
  });
}

function inboxVerbs(): Verb[] {
  return SERVICES.map((owner) => ({
    subject: `_INBOX_${owner}.one`,
    allowed: all(
      written.subjects
        .filter(({ stream, publishers }) => stream === null && publishers.includes(owner))
        .map(({ readers }) => readers),
    ),
  }));
}

const GLOBAL = [
  '$JS.API.INFO',
  '$JS.API.STREAM.LIST',
  '$JS.API.STREAM.NAMES',
  '$JS.API.STREAM.CREATE.OWN.two',
  '$JS.API.STREAM.TEMPLATE.CREATE.one',
  '$JS.API.ACCOUNT.PURGE.one',
  '$JS.API.META.LEADER.STEPDOWN',
  '$JS.API.SERVER.REMOVE',
  '$SYS.REQ.SERVER.PING',
  '$SRV.PING',
  '_INBOX.one',
  'live.runs.one',
  'live.other',
  'runs.one',
  'runs.one.two.three',
  'anything',
];

/** Everything that is tried as a publication. */
export function publishVerbs(pool: string, strangerPool: string): Verb[] {
  return [
    ...publishing(),
    ...STREAMS.flatMap(streamVerbs),
    ...durableVerbs(pool),
    ...durableVerbs(strangerPool).map((verb) =>
      verb.subject.includes(strangerPool) ? { ...verb, allowed: NOBODY } : verb,
    ),
    ...inboxVerbs(),
    ...GLOBAL.map((subject) => ({ subject, allowed: NOBODY })),
  ];
}

/** Everything that is tried as a subscription. */
export function subscribeVerbs(): Verb[] {
  const core = written.subjects.flatMap(({ subject, stream, readers }) => [
    { subject, allowed: stream === null ? readers : NOBODY },
    { subject: concrete(subject), allowed: stream === null ? readers : NOBODY },
  ]);
  const inboxes = SERVICES.flatMap((owner) => [
    { subject: `_INBOX_${owner}.>`, allowed: [owner] },
    { subject: `_INBOX_${owner}.one.*`, allowed: [owner] },
  ]);
  const never = [
    '>',
    '*',
    '*.>',
    '_INBOX.>',
    'live.>',
    '$KV.>',
    '$O.>',
    '$JS.>',
    '$JS.API.>',
    '$JS.ACK.>',
    '$SYS.>',
  ];
  return [...core, ...inboxes, ...never.map((subject) => ({ subject, allowed: NOBODY }))];
}

/** Whether a NATS pattern matches a literal subject, or a narrower pattern. */
export function matches(pattern: string, subject: string): boolean {
  const [wanted, given] = [pattern.split('.'), subject.split('.')];
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return given.length > index;
    if (given[index] === undefined) return false;
    if (token !== '*' && token !== given[index]) return false;
  }
  return wanted.length === given.length;
}
