/** Subjects with NATS wildcards, in the form of the generated table; `<pool>` stands for a pool of executors. */
export interface Permissions {
  publish: readonly string[];
  subscribe: readonly string[];
}

/** One user of the broker: who it is and what it may do. */
export interface Grant {
  /** For people who read the configuration. */
  name: string;
  /** Public nkey (`U...`). */
  publicKey: string;
  permissions: Permissions;
}

/** Where the replies to a service are sent. Its identity may listen there and nowhere else on inboxes. */
export const inboxPrefix = (service: string): string => `_INBOX_${service}`;

/**
 * The `authorization` block of a nats-server: one nkey user for each grant, who may do what is listed and nothing else.
 * `pools` are the pools of executors; `more` are further lines of users, as an operator would write them.
 */
export function authorizationConf(
  grants: readonly Grant[],
  { pools = ['default'], more = [] }: { pools?: readonly string[]; more?: readonly string[] } = {},
): string {
  const users = grants.map(
    ({ name, publicKey, permissions }) => `    # ${name}
    { nkey: ${publicKey}, permissions: {
      publish: { allow: ${subjects(permissions.publish, pools)} }
      subscribe: { allow: ${subjects(permissions.subscribe, pools)} }
    } }`,
  );
  return `authorization {\n  users = [\n${[...users, ...more.map((line) => `    ${line}`)].join('\n')}\n  ]\n}\n`;
}

/** An empty list would allow everything. */
function subjects(patterns: readonly string[], pools: readonly string[]): string {
  if (patterns.length === 0) throw new Error('an identity without a subject to publish or subscribe to');
  const named = patterns.flatMap((pattern) =>
    pattern.includes('<pool>') ? pools.map((pool) => pattern.replaceAll('<pool>', pool)) : [pattern],
  );
  return `[\n${named.map((subject) => `        ${JSON.stringify(subject)}`).join('\n')}\n      ]`;
}
