import type { DynamicModule, Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Broker, ConsumerOverrides } from '@runledger/nest-jetstream';
import type { RunLog } from '@runledger/run-log';
import type { FastifyServerOptions } from 'fastify';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';

export type ServiceName = 'gateway' | 'run-scheduler' | 'agent-executor' | 'notifier' | 'reconciler';

/** Read once from the environment, checked, with defaults. Every name is in docs/reference/configuration.md. */
export interface Settings {
  /** `RUNLEDGER_HOME`: absolute path of the data folder. */
  home: string;
  /** `RUNLEDGER_NATS_URL` */
  natsUrl: string;
  /** `RUNLEDGER_NATS_CREDENTIALS`: absolute path of this service's `.creds` file. */
  natsCredentials?: string;
  /** `RUNLEDGER_NATS_NKEY`: absolute path of a file with the seed of this service's nkey. */
  natsNkey?: string;
  /** `RUNLEDGER_NATS_CA`, `RUNLEDGER_NATS_CERT`, `RUNLEDGER_NATS_KEY`: absolute paths of PEM files. */
  natsCa?: string;
  natsCert?: string;
  natsKey?: string;
  /** `RUNLEDGER_MONGODB_URL`; absent: SQLite in `home`. */
  mongodbUrl?: string;
  /** `RUNLEDGER_PORT`: HTTP of the gateway. */
  port: number;
  /** `RUNLEDGER_HOST`: address the gateway listens on. */
  host: string;
  /** `RUNLEDGER_OPS_PORT`; 0: any free port, logged. */
  opsPort: number;
  /** `RUNLEDGER_LEASE_S` in seconds. */
  leaseS: number;
  /** `RUNLEDGER_SLOTS`: runs an executor holds at once. */
  slots: number;
  /** `RUNLEDGER_POOL`: the pool of executors that this one serves. */
  pool: string;
  /** `RUNLEDGER_ROOT_RUNS`, and with `_PER_TENANT`, `_PER_USER`, `_PER_AGENT`, `_PER_KEY`: root runs that run at once. */
  rootRuns: number;
  rootRunsPerTenant: number;
  rootRunsPerUser: number;
  rootRunsPerAgent: number;
  rootRunsPerKey: number;
  /** `RUNLEDGER_SECRET_KEY`: 32 bytes as hex or base64; locally kept in `home/secret-key`. */
  secretKey: Buffer;
  /** `RUNLEDGER_LOG`: pino level. */
  logLevel: string;
  /** `RUNLEDGER_OIDC`: JSON, the issuers whose tokens the gateway takes. */
  oidc?: string;
  /** `RUNLEDGER_PROFILE`: `local` or `production`. */
  profile: 'local' | 'production';
  /** `RUNLEDGER_MODEL_BASE_URL`, `RUNLEDGER_MODEL_API_KEY`: any OpenAI-compatible endpoint, as provider `custom`. */
  modelBaseUrl?: string;
  modelApiKey?: string;
  /** `RUNLEDGER_MODEL_TIMEOUT_S`, `_SILENCE_S`, `_REPLY_MIB`: of one model call; absent: the executor's own. */
  modelTimeoutS?: number;
  modelSilenceS?: number;
  modelReplyMib?: number;
  /** `RUNLEDGER_AGENT_MEMORY_MIB`, `_PROCESSES`: of the process group of one agent; absent: the executor's own. */
  agentMemoryMib?: number;
  agentProcesses?: number;
  /** `RUNLEDGER_SANDBOX`, `_READ`: what agents' processes see of the machine; absent: all that the executor does. */
  sandbox?: 'none' | 'bwrap' | 'bwrap-network';
  sandboxRead?: readonly string[];
}

/** What every service's modules are given. */
export interface ServiceContext {
  name: ServiceName;
  /** Unique per process start: letters, digits, `-`; part of `Run-Writer` and of subjects. */
  instance: string;
  settings: Settings;
  broker: Broker;
  runLog: RunLog;
  logger: Logger;
  metrics: Registry;
}

export interface ServiceDefinition {
  name: ServiceName;
  /** Modules with the service's consumers (Nest controllers) and providers. `SERVICE_CONTEXT` can be injected in them. */
  modules: (context: ServiceContext) => (Type | DynamicModule)[];
  consumerOverrides?: (settings: Settings) => ConsumerOverrides;
  /** Options of the Fastify server that can only be given when it is made. */
  httpServer?: (context: ServiceContext) => FastifyServerOptions;
  /** A service with an HTTP API of its own (the gateway). Called after the app is created and before `app.init()`. */
  http?: (app: NestFastifyApplication, context: ServiceContext) => Promise<void>;
  /** Extra checks of `/readyz`: name → throws when not ready. */
  readiness?: (context: ServiceContext) => Record<string, () => Promise<void>>;
  /** Milliseconds after which a command is told that the log is unavailable; default that of the run log. */
  logPatienceMs?: number;
  /** Longest orderly shutdown in ms before the process gives up. */
  drainMs?: number;
}

export interface RunningService {
  name: ServiceName;
  instance: string;
  /** Base URL of `/healthz`, `/readyz`, `/metrics`. */
  opsUrl: string;
  /** Base URL of the service's own HTTP API, if it has one. */
  url?: string;
  close(): Promise<void>;
}

/** Injection token of the ServiceContext. */
export const SERVICE_CONTEXT = Symbol('SERVICE_CONTEXT');
