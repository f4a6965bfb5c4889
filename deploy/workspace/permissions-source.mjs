// What each service's identity at the broker may publish and subscribe to, made from proto/subjects.yaml. What is not
// listed is refused by the broker.
import { SERVICES } from './layout-source.mjs';

const API = '$JS.API';

/** Replies come here, and only this service may listen. */
const inbox = (service) => `_INBOX_${service}.>`;

/** Reads of a stream, by the leader or a replica. A direct get that names its subject has it appended. */
const readsOf = (stream) => [
  `${API}.STREAM.MSG.GET.${stream}`,
  `${API}.DIRECT.GET.${stream}`,
  `${API}.DIRECT.GET.${stream}.>`,
];

/** A durable of the service's own: made (with this filter only), looked at, asked for messages, acknowledged. */
function durableOf({ durable, stream, filter }) {
  return [
    `${API}.CONSUMER.INFO.${stream}.${durable}`,
    `${API}.CONSUMER.CREATE.${stream}.${durable}.${filter}`,
    `${API}.CONSUMER.MSG.NEXT.${stream}.${durable}`,
    `$JS.ACK.${stream}.${durable}.>`,
    // With a domain and an account in it, as servers may be set to write it.
    `$JS.ACK.*.*.${stream}.${durable}.>`,
  ];
}

/** `{ publish, subscribe }` of one service, sorted. */
export function permissionsOf(layout, service) {
  const publish = new Set();
  const subscribe = new Set([inbox(service)]);
  const grant = (...subjects) => subjects.forEach((subject) => publish.add(subject));
  for (const entry of layout.subjects) {
    const reads = entry.readers.includes(service);
    if (entry.publishers.includes(service)) grant(entry.publish_as.replace('<service>', service));
    if (reads && entry.stream !== null) grant(...readsOf(entry.stream));
    if (reads && entry.stream === null) {
      subscribe.add(entry.subject);
      // Who is asked answers into the inbox of who may ask.
      grant(...entry.publishers.map(inbox));
    }
  }
  const stateAndErasure = (stream, { info = [], erasers = [] }) => {
    if (info.includes(service)) grant(`${API}.STREAM.INFO.${stream}`);
    if (erasers.includes(service)) grant(`${API}.STREAM.MSG.DELETE.${stream}`);
  };
  for (const entry of layout.streams) stateAndErasure(entry.name, entry);
  for (const entry of layout.consumers) if (entry.service === service) grant(...durableOf(entry));
  for (const entry of layout.buckets) {
    const { bucket, writers, readers } = entry;
    if (writers.includes(service)) grant(`$KV.${bucket}.>`);
    if (readers.includes(service)) grant(...readsOf(`KV_${bucket}`));
    stateAndErasure(`KV_${bucket}`, entry);
  }
  for (const entry of layout.object_stores) {
    const { store, writers, readers } = entry;
    if (writers.includes(service)) grant(`$O.${store}.C.>`, `$O.${store}.M.>`);
    // Opening a store asks for its stream's state; writing looks at what is there.
    if (readers.includes(service)) grant(`${API}.STREAM.INFO.OBJ_${store}`, ...readsOf(`OBJ_${store}`));
    stateAndErasure(`OBJ_${store}`, entry);
  }
  if (service === 'bootstrap')
    grant(...['CREATE', 'UPDATE', 'INFO'].map((verb) => `${API}.STREAM.${verb}.*`));
  return { publish: [...publish].sort(), subscribe: [...subscribe].sort() };
}

/** The module `permissions.ts`. It imports only the names of the services. */
export function permissionsSource(layout) {
  const table = Object.fromEntries(SERVICES.map((service) => [service, permissionsOf(layout, service)]));
  return `// Generated from proto/subjects.yaml by \`npm run generate\`. Do not edit; read every change of it in review.
import type { LayoutService } from './layout.ts';

/** Subjects with NATS wildcards; \`<pool>\` stands for the name of each pool of executors. */
export interface Permissions {
  publish: readonly string[];
  subscribe: readonly string[];
}

/** All that the identity of a service may do at the broker. */
export const PERMISSIONS: Readonly<Record<LayoutService, Permissions>> = ${JSON.stringify(table, null, 2)};
`;
}
