import { resolve } from 'node:path';
import { DEFAULT_POOL, isId } from '@runledger/wire';
import type { Settings } from './port.ts';
import { decodeSecretKey, localSecretKey } from './secret-key.ts';

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

const BROKER_FILES = {
  natsCredentials: 'RUNLEDGER_NATS_CREDENTIALS',
  natsNkey: 'RUNLEDGER_NATS_NKEY',
  natsCa: 'RUNLEDGER_NATS_CA',
  natsCert: 'RUNLEDGER_NATS_CERT',
  natsKey: 'RUNLEDGER_NATS_KEY',
} as const;

/** One or more variables are wrong; the message names each and says what fits. */
export class InvalidSettings extends Error {
  constructor(readonly problems: string[]) {
    super(`wrong settings: ${problems.join('; ')}`);
    this.name = 'InvalidSettings';
  }
}

/**
 * The settings of a service, from the environment, checked, with defaults. An empty variable counts as absent.
 * In the profile `local` the secret key is made in the data folder when there is none.
 * @throws InvalidSettings naming every wrong variable.
 */
export function readSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  const read = new Reader(env);
  const profile = read.choice('RUNLEDGER_PROFILE', ['local', 'production'] as const, 'local');
  const production = profile === 'production';
  const home = resolve(read.text('RUNLEDGER_HOME') ?? '.runledger');
  const mongodbUrl = read.url('RUNLEDGER_MONGODB_URL', ['mongodb:', 'mongodb+srv:']);
  const modelBaseUrl = read.url('RUNLEDGER_MODEL_BASE_URL', ['http:', 'https:']);
  const oidc = read.text('RUNLEDGER_OIDC');
  const modelApiKey = read.text('RUNLEDGER_MODEL_API_KEY');
  const settings = {
    home,
    natsUrl: read.brokerUrls('RUNLEDGER_NATS_URL', production),
    port: read.whole('RUNLEDGER_PORT', 8080, 0, 65_535),
    host: read.text('RUNLEDGER_HOST') ?? (production ? '0.0.0.0' : '127.0.0.1'),
    opsPort: read.whole('RUNLEDGER_OPS_PORT', 0, 0, 65_535),
    leaseS: read.whole('RUNLEDGER_LEASE_S', 15, 1, 3_600),
    slots: read.whole('RUNLEDGER_SLOTS', 16, 1, 10_000),
    pool: read.token('RUNLEDGER_POOL', DEFAULT_POOL),
    rootRuns: read.whole('RUNLEDGER_ROOT_RUNS', 256, 1, 10_000),
    rootRunsPerTenant: read.whole('RUNLEDGER_ROOT_RUNS_PER_TENANT', 10_000, 1, 1_000_000),
    rootRunsPerUser: read.whole('RUNLEDGER_ROOT_RUNS_PER_USER', 10, 1, 1_000_000),
    rootRunsPerAgent: read.whole('RUNLEDGER_ROOT_RUNS_PER_AGENT', 10_000, 1, 1_000_000),
    rootRunsPerKey: read.whole('RUNLEDGER_ROOT_RUNS_PER_KEY', 1, 1, 1_000_000),
    modelTimeoutS: read.whole('RUNLEDGER_MODEL_TIMEOUT_S', 900, 1, 86_400),
    modelSilenceS: read.whole('RUNLEDGER_MODEL_SILENCE_S', 240, 1, 290),
    modelReplyMib: read.whole('RUNLEDGER_MODEL_REPLY_MIB', 64, 1, 1_024),
    agentMemoryMib: read.whole('RUNLEDGER_AGENT_MEMORY_MIB', 1_024, 128, 1_048_576),
    agentProcesses: read.whole('RUNLEDGER_AGENT_PROCESSES', 64, 1, 10_000),
    sandbox: read.choice('RUNLEDGER_SANDBOX', ['none', 'bwrap', 'bwrap-network'] as const, 'none'),
    sandboxRead: read.paths('RUNLEDGER_SANDBOX_READ'),
    logLevel: read.choice('RUNLEDGER_LOG', LOG_LEVELS, 'info'),
    profile,
    ...(mongodbUrl ? { mongodbUrl } : {}),
    ...(oidc ? { oidc } : {}),
    ...(modelBaseUrl ? { modelBaseUrl } : {}),
    ...(modelApiKey ? { modelApiKey } : {}),
    ...read.brokerFiles(),
  };
  const givenKey = read.secretKey('RUNLEDGER_SECRET_KEY', production);
  read.throwIfWrong();
  return { ...settings, secretKey: givenKey ?? localSecretKey(home) };
}

class Reader {
  private readonly problems: string[] = [];

  constructor(private readonly env: NodeJS.ProcessEnv) {}

  throwIfWrong(): void {
    if (this.problems.length > 0) throw new InvalidSettings(this.problems);
  }

  text(name: string): string | undefined {
    const value = this.env[name]?.trim();
    return value === '' ? undefined : value;
  }

  whole(name: string, fallback: number, least: number, most: number): number {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= least && number <= most) return number;
    return this.wrong(name, `must be a whole number from ${least} to ${most}, not "${value}"`, fallback);
  }

  choice<T extends string>(name: string, choices: readonly T[], fallback: T): T {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const known: readonly string[] = choices;
    if (known.includes(value)) return value as T;
    return this.wrong(name, `must be one of ${choices.join(', ')}, not "${value}"`, fallback);
  }

  paths(name: string): string[] {
    return (this.text(name) ?? '')
      .split(':')
      .filter(Boolean)
      .map((path) => resolve(path));
  }

  token(name: string, fallback: string): string {
    const value = this.text(name) ?? fallback;
    return isId('token', value)
      ? value
      : this.wrong(name, `must be 1 to 64 letters, digits, - or _, not "${String(value)}"`, fallback);
  }

  /** A value may hold a password, so it is not repeated. */
  url(name: string, protocols: string[]): string | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    // A MongoDB URL may name several hosts, which URL does not parse.
    const protocol = /^[a-z+]+:(?=\/\/[^/\s]+)/.exec(value)?.[0];
    return protocol && protocols.includes(protocol)
      ? value
      : this.wrong(name, `must be a URL with ${protocols.join(' or ')}//`, undefined);
  }

  brokerUrls(name: string, required: boolean): string {
    const fallback = 'nats://127.0.0.1:4222';
    const value = this.text(name);
    if (value === undefined)
      return required ? this.wrong(name, 'is required in the profile production', fallback) : fallback;
    const fit = value
      .split(',')
      .every((url) => URL.canParse(url) && ['nats:', 'tls:'].includes(new URL(url).protocol));
    return fit
      ? value
      : this.wrong(
          name,
          'must be nats://host:port or tls://host:port, several separated by commas',
          fallback,
        );
  }

  /** Who we are at the broker, and the certificates: absolute paths. */
  brokerFiles(): Pick<Settings, keyof typeof BROKER_FILES> {
    const paths = Object.entries(BROKER_FILES).flatMap(([setting, name]) => {
      const path = this.text(name);
      return path === undefined ? [] : [[setting, resolve(path)] as const];
    });
    const found: Pick<Settings, keyof typeof BROKER_FILES> = Object.fromEntries(paths);
    if (found.natsNkey && found.natsCredentials)
      this.wrong(BROKER_FILES.natsNkey, `and ${BROKER_FILES.natsCredentials} exclude each other`, undefined);
    if (!found.natsCert !== !found.natsKey)
      this.wrong(BROKER_FILES.natsCert, `and ${BROKER_FILES.natsKey} need each other`, undefined);
    return found;
  }

  secretKey(name: string, required: boolean): Buffer | undefined {
    const value = this.text(name);
    if (value === undefined)
      return required
        ? this.wrong(name, 'is required in the profile production: 32 bytes as hex or base64', undefined)
        : undefined;
    return decodeSecretKey(value) ?? this.wrong(name, 'must be 32 bytes as hex or base64', undefined);
  }

  private wrong<T>(name: string, problem: string, fallback: T): T {
    this.problems.push(`${name} ${problem}`);
    return fallback;
  }
}
