import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { assertId } from '@runledger/wire';

export const USAGE = `Usage: npm run bootstrap -- [--out <folder>] [--pools <a,b>]
                         [--nats <url> [--credentials <file>] [--ca <file>] [--cert <file> --key <file>]
                          [--replicas <n>] [--runs-max-bytes <n>] [--tenant <id> --user <id>]]

Makes an identity at the broker for every service and, with --nats, the streams and buckets. It can be repeated:
what is there stays.

  --out <folder>         where the identities are or go (default runledger-identities)
  --pools <a,b>          the pools of executors (default default)
  --nats <url>           the broker: nats://host:port or tls://host:port, several separated by commas
  --credentials <file>   an administrator's: a .creds file or an nkey seed (default <out>/bootstrap.nk)
  --ca, --cert, --key    PEM files, for tls://
  --replicas <n>         replicas of every stream: 3 in production, 1 for a single broker
  --runs-max-bytes <n>   size of the log
  --tenant, --user       also makes the tenant, its user and an API key for everything, shown once
                         (needs the RUNLEDGER_SECRET_KEY of the services)`;

/** What is asked for cannot be done as it is written; the message says what is wrong. */
export class WrongUsage extends Error {}

export interface BootstrapCommand {
  out: string;
  pools: string[];
  /** Absent: identities only. */
  broker?: {
    url: string;
    credentials?: string;
    ca?: string;
    cert?: string;
    key?: string;
    replicas?: number;
    runsMaxBytes?: number;
  };
  first?: { tenant: string; user: string };
}

const text = { type: 'string' } as const;
const OPTIONS = {
  out: text,
  pools: text,
  nats: text,
  credentials: text,
  ca: text,
  cert: text,
  key: text,
  replicas: text,
  'runs-max-bytes': text,
  tenant: text,
  user: text,
} as const;

/** @throws WrongUsage */
export function readCommand(args: string[]): BootstrapCommand {
  const values = parsed(args);
  const { tenant, user, nats } = values;
  if ((tenant === undefined) !== (user === undefined))
    throw new WrongUsage('--tenant and --user need each other');
  const needBroker = (
    ['credentials', 'ca', 'cert', 'key', 'replicas', 'runs-max-bytes', 'tenant'] as const
  ).find((name) => values[name] !== undefined);
  if (nats === undefined && needBroker !== undefined) throw new WrongUsage(`--${needBroker} needs --nats`);
  return {
    out: resolve(values.out ?? 'runledger-identities'),
    pools: (values.pools ?? 'default').split(',').map((pool) => id('token', pool, '--pools')),
    ...(nats === undefined ? {} : { broker: brokerOf(nats, values) }),
    ...(tenant === undefined || user === undefined
      ? {}
      : { first: { tenant: id('tenant_id', tenant, '--tenant'), user: id('user_id', user, '--user') } }),
  };
}

function parsed(args: string[]): Partial<Record<keyof typeof OPTIONS, string>> {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: false }).values;
  } catch (cause) {
    throw new WrongUsage(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function brokerOf(
  url: string,
  values: Partial<Record<keyof typeof OPTIONS, string>>,
): NonNullable<BootstrapCommand['broker']> {
  const fits = url
    .split(',')
    .every((one) => URL.canParse(one) && ['nats:', 'tls:'].includes(new URL(one).protocol));
  if (!fits) throw new WrongUsage('--nats must be nats://host:port or tls://host:port');
  const files = (['credentials', 'ca', 'cert', 'key'] as const).flatMap((name) =>
    values[name] === undefined ? [] : [[name, resolve(values[name])] as const],
  );
  const replicas = whole('--replicas', values.replicas);
  const runsMaxBytes = whole('--runs-max-bytes', values['runs-max-bytes']);
  return {
    url,
    ...Object.fromEntries(files),
    ...(replicas === undefined ? {} : { replicas }),
    ...(runsMaxBytes === undefined ? {} : { runsMaxBytes }),
  };
}

function whole(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^[1-9]\d{0,15}$/.test(value)) return Number(value);
  throw new WrongUsage(`${name} must be a whole number above 0, not "${value}"`);
}

function id(kind: 'token' | 'tenant_id' | 'user_id', value: string, option: string): string {
  try {
    return assertId(kind, value);
  } catch (cause) {
    throw new WrongUsage(`${option}: "${value}" is not 1 to 64 letters, digits, - or _`, { cause });
  }
}
