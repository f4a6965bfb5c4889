import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  bootstrap,
  type Broker,
  type BrokerOptions,
  BrokerUnusable,
  connectBroker,
  inboxPrefix,
} from '@runledger/nest-jetstream';
import { LAYOUT } from '@runledger/proto';
import { readSettings } from '@runledger/service-host';
import { authorizationOf, type Identities, makeIdentities } from '../identities.ts';
import { makeFirstKey } from './first-key.ts';
import { type BootstrapCommand, readCommand } from './options.ts';

const CONF = 'nats-authorization.conf';
const BROKER_WAIT_MS = 10_000;

/** `npm run bootstrap`: identities, then streams and buckets, then the first key, as far as asked. Throws Error in a line. */
export async function bootstrapCommand(
  args: string[],
  env: NodeJS.ProcessEnv,
  print: (line: string) => void,
): Promise<void> {
  const command = readCommand(args);
  // Before anything is made: what the key needs may be missing.
  const secretKey = command.first && secretKeyOf(env);
  const known = existsSync(join(command.out, 'bootstrap.nk'));
  const identities = await makeIdentities(command.out);
  const conf = authorizationOf(identities, command.pools);
  await writeFile(join(command.out, CONF), conf);
  if (command.broker) {
    const broker = await connect(command, command.broker, identities);
    try {
      await bootstrap(broker, LAYOUT, command.broker);
      print(`streams   made, or as they should be, at nats-server ${broker.nc.info?.version ?? ''}`);
      if (command.first && secretKey) {
        const key = await makeFirstKey(broker, secretKey, command.first);
        print(
          `key       ${key}\n          of ${command.first.user} in ${command.first.tenant}; it is not shown again`,
        );
      }
    } finally {
      await broker.close();
    }
  }
  if (!known) print(conf);
  print(whatGoesWhere(command, identities));
}

function secretKeyOf(env: NodeJS.ProcessEnv): Buffer {
  if (!env['RUNLEDGER_SECRET_KEY'])
    throw new Error(
      '--tenant needs RUNLEDGER_SECRET_KEY, the same as the services have: 32 bytes as hex (openssl rand -hex 32)',
    );
  return readSettings({ RUNLEDGER_SECRET_KEY: env['RUNLEDGER_SECRET_KEY'] }).secretKey;
}

async function connect(
  { out }: BootstrapCommand,
  { url, credentials, ca, cert, key }: NonNullable<BootstrapCommand['broker']>,
  identities: Identities,
): Promise<Broker> {
  const options: BrokerOptions = {
    url,
    name: 'runledger bootstrap',
    inboxPrefix: inboxPrefix('bootstrap'),
    waitMs: BROKER_WAIT_MS,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(await whoAsks(url, credentials, identities)),
  };
  try {
    return await connectBroker(options);
  } catch (cause) {
    if (!(cause instanceof BrokerUnusable) || cause.code !== 'refused' || credentials !== undefined)
      throw cause;
    throw new Error(
      `${cause.message}\nIt does not know the identities yet: include ${join(out, CONF)} in its configuration and reload ` +
        'it, or name an administrator with --credentials.',
      { cause },
    );
  }
}

/** An administrator's `.creds` or seed; a user in the URL; otherwise the identity `bootstrap`. */
async function whoAsks(
  url: string,
  credentials: string | undefined,
  identities: Identities,
): Promise<Pick<BrokerOptions, 'credentials' | 'nkey'>> {
  if (credentials !== undefined) {
    const text = await readFile(credentials, 'utf8').catch((cause: unknown) => {
      throw new Error(`--credentials ${credentials} cannot be read`, { cause });
    });
    return /^SU[A-Z2-7]+\s*$/.test(text) ? { nkey: credentials } : { credentials };
  }
  return new URL(url.split(',')[0] ?? '').username === '' ? { nkey: identities.bootstrap.seedFile } : {};
}

function whatGoesWhere({ out, broker }: BootstrapCommand, identities: Identities): string {
  const seeds = Object.values(identities)
    .filter(({ name }) => name !== 'bootstrap')
    .map(({ name, seedFile }) => `  ${name.padEnd(15)} RUNLEDGER_NATS_NKEY=${seedFile}`);
  const next = broker
    ? ''
    : `\nThen make the streams:\n  npm run bootstrap -- --out ${out} --nats <url> --replicas <1 or 3>\n`;
  return `
What to put where
-----------------
The broker: one line at the top level of its configuration, on every server, then reload it (nats-server --signal reload):
  include ${join(out, CONF)}
A configuration has one list of users: where there is one already, add these to it. With accounts, put them into the
users of an account of Runledger's own that has JetStream enabled. Set no no_auth_user. The file holds no secret, but who
can change it changes what services may do.

Each service gets its own seed, and no other (they are secrets, readable by their owner only):
${seeds.join('\n')}
  bootstrap.nk is for this command alone: keep it away from the services.

A broker with TLS: RUNLEDGER_NATS_URL=tls://host:port, RUNLEDGER_NATS_CA, and where it asks for certificates
RUNLEDGER_NATS_CERT and RUNLEDGER_NATS_KEY.
A broker in operator mode (JWT) does not read users from its configuration: make users with these permissions with nsc
and give each service its .creds as RUNLEDGER_NATS_CREDENTIALS. This command makes no JWTs.
${next}`;
}
