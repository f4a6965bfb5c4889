import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type Broker,
  type BrokerEvent,
  connectBroker,
  ConnectionWatch,
  JetStreamStrategy,
} from '@runledger/nest-jetstream';
import { JetStreamRunLog } from '@runledger/run-log';
import type { Logger } from 'pino';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { brokerAccess } from './broker-access.ts';
import { ConsumerMetrics } from './consumer-metrics.ts';
import { type HostApp, startHostApp } from './host-app.ts';
import { type OpsServer, startOpsServer } from './ops-server.ts';
import type { RunningService, ServiceContext, ServiceDefinition, Settings } from './port.ts';
import { Readiness } from './readiness.ts';
import { serviceLog } from './service-log.ts';
import { type ProcessSignals, watchSignals } from './signals.ts';
import { waitForLog } from './wait-for-log.ts';

export const DEFAULT_DRAIN_MS = 10_000;
/** On top of the drain: closing the log, the connection and the ops server. */
const CLOSE_MS = 3_000;

export interface StartOptions {
  /** SIGTERM and SIGINT end the service and the process; a connection closed for good exits 1. Default false. */
  signals?: boolean;
  /** Default: JSON lines on stdout. */
  logger?: Logger;
  /** Runs when the broker is there and before the log is waited for: the local default makes its streams here. */
  bootstrap?: (broker: Broker) => Promise<void>;
  /** Ends the waiting for broker and log. */
  signal?: AbortSignal;
}

/** The service was closed before it was up. */
export class ServiceClosed extends Error {
  constructor(name: string, options: ErrorOptions) {
    super(`${name} was closed before it was up`, options);
    this.name = 'ServiceClosed';
  }
}

/**
 * Starts one service. `/healthz` answers at once; the broker and the stream RUNS are waited for as long as it takes,
 * visible on `/readyz` and in the log; consumers start after `onModuleInit` and `onApplicationBootstrap`.
 *
 * `close()`: not ready any more → no more messages are asked for → `onModuleDestroy`, `beforeApplicationShutdown` (tell
 * long handlers to let go here) → HTTP closes and running handlers finish, `definition.drainMs` at most →
 * `onApplicationShutdown` → run log, connection and ops server.
 *
 * A service's `services/<name>/src/main.ts` is two lines:
 *
 *     import { runService } from '@runledger/service-host';
 *     await runService(definition);
 *
 * @throws ServiceClosed when it is closed (a signal, `options.signal`) before it is up; Error with one clear line: a port
 * in use, a broker that is too old or refuses us, two handlers of one durable.
 */
export async function startService(
  definition: ServiceDefinition,
  settings: Settings,
  options: StartOptions = {},
): Promise<RunningService> {
  const host = new ServiceHost(definition, settings, options);
  await host.start();
  return host.running();
}

class ServiceHost {
  private readonly instance = `${randomBytes(6).toString('hex')}-${process.pid}`;
  private readonly logger: Logger;
  private readonly metrics = new Registry();
  private readonly readiness = new Readiness();
  private readonly aborted = new AbortController();
  private ops: OpsServer | undefined;
  private broker: Broker | undefined;
  private strategy: JetStreamStrategy | undefined;
  private context: ServiceContext | undefined;
  private app: HostApp | undefined;
  private signals: ProcessSignals | undefined;
  private closing: Promise<void> | undefined;
  private late = false;

  constructor(
    private readonly definition: ServiceDefinition,
    private readonly settings: Settings,
    private readonly options: StartOptions,
  ) {
    const { name } = definition;
    this.logger =
      options.logger?.child({ service: name, instance: this.instance }) ??
      serviceLog({ service: name, instance: this.instance, level: settings.logLevel });
    this.metrics.setDefaultLabels({ service: name });
    collectDefaultMetrics({ register: this.metrics });
  }

  async start(): Promise<void> {
    const { definition, settings, options } = this;
    if (options.signals)
      this.signals = watchSignals(this.logger, this.drainMs() + CLOSE_MS, () => this.closeForSignal());
    options.signal?.addEventListener('abort', () => this.aborted.abort(options.signal?.reason), {
      once: true,
    });
    try {
      this.readiness.set('start', () => Promise.reject(new Error('starting')));
      this.ops = await startOpsServer({
        service: definition.name,
        instance: this.instance,
        host: settings.host,
        port: settings.opsPort,
        metrics: this.metrics,
        readiness: this.readiness,
      });
      this.logger.info(
        { ops_url: this.ops.url, pid: process.pid },
        `${definition.name} starts; health, readiness and metrics at ${this.ops.url}`,
      );
      const broker = await this.connect();
      await options.bootstrap?.(broker);
      const log = await waitForLog(broker, this.readiness, this.logger, this.aborted.signal);
      await this.startApp(broker, log);
      this.readiness.delete('start');
      this.logger.info({ ...(this.app?.url ? { url: this.app.url } : {}) }, `${definition.name} is up`);
    } catch (cause) {
      const wanted = this.aborted.signal.aborted;
      await this.close();
      throw wanted ? new ServiceClosed(definition.name, { cause }) : cause;
    }
  }

  running(): RunningService {
    const { definition, instance, ops, app } = this;
    if (!ops || !app) throw new Error('not started');
    return {
      name: definition.name,
      instance,
      opsUrl: ops.url,
      ...(app.url ? { url: app.url } : {}),
      close: () => this.close(),
    };
  }

  private async connect(): Promise<Broker> {
    const { definition, settings } = this;
    const connected = new Gauge({
      name: 'runledger_broker_connected',
      help: '1 when the broker is connected',
      registers: [this.metrics],
    });
    this.readiness.set('broker', () => Promise.reject(new Error('not connected yet')));
    this.broker = await connectBroker({
      ...brokerAccess(settings, definition.name),
      name: `${definition.name}/${this.instance}`,
      signal: this.aborted.signal,
      onStatus: (event) => this.told(event, connected),
    });
    const watch = new ConnectionWatch(this.broker.nc);
    this.readiness.set('broker', () => {
      if (!watch.connected) throw new Error('disconnected');
    });
    return this.broker;
  }

  private async startApp(broker: Broker, log: { maxCommits?: number }): Promise<void> {
    const { definition, settings, logger, metrics, instance } = this;
    const runLog = new JetStreamRunLog(broker, {
      writer: `${definition.name}/${instance}`,
      ...log,
      ...(definition.logPatienceMs === undefined ? {} : { patienceMs: definition.logPatienceMs }),
    });
    const context: ServiceContext = {
      name: definition.name,
      instance,
      settings,
      broker,
      runLog,
      logger,
      metrics,
    };
    this.context = context;
    const consumers = new ConsumerMetrics(metrics);
    const strategy = new JetStreamStrategy({
      broker,
      service: definition.name,
      overrides: definition.consumerOverrides?.(settings) ?? {},
      logger,
      drainMs: this.drainMs(),
      observer: consumers.observer,
      onDead: (letter) => consumers.buried(letter.durable),
    });
    this.strategy = strategy;
    consumers.states = () => strategy.states();
    this.app = await startHostApp(definition, context, strategy);
    this.watchConsumers(strategy);
    for (const [name, check] of Object.entries(definition.readiness?.(context) ?? {}))
      this.readiness.set(name, check);
  }

  private watchConsumers(strategy: JetStreamStrategy): void {
    for (const { durable } of strategy.states())
      this.readiness.set(`consumer ${durable}`, () => {
        const state = strategy.states().find((candidate) => candidate.durable === durable);
        if (state?.phase !== 'consuming') throw new Error(state?.problem ?? state?.phase ?? 'gone');
        return `${state.inFlight} in flight, ${state.pending} to come`;
      });
  }

  private told(event: BrokerEvent, connected: Gauge): void {
    const { type, detail } = event;
    if (type === 'connected' || type === 'reconnected') connected.set(1);
    else if (type !== 'error') connected.set(0);
    const quiet = type === 'connected' || type === 'reconnected' || this.closing !== undefined;
    this.logger[quiet ? 'info' : 'warn']({ broker: type }, `broker: ${detail}`);
    if (type !== 'closed' || this.closing) return;
    this.logger.fatal({ broker: type }, `the connection to the broker is closed for good: ${detail}`);
    this.signals?.exit(1);
  }

  private drainMs(): number {
    return this.definition.drainMs ?? DEFAULT_DRAIN_MS;
  }

  /** At most once; later callers wait for the same end. */
  close(): Promise<void> {
    this.closing ??= this.closeInOrder();
    return this.closing;
  }

  private async closeForSignal(): Promise<void> {
    await this.close();
    if (this.late) throw new Error('not everything closed in time');
  }

  private async closeInOrder(): Promise<void> {
    this.readiness.set('shutdown', () => Promise.reject(new Error('shutting down')));
    this.aborted.abort(new Error('the service is closed'));
    this.strategy?.stopPulling();
    await this.atMost(this.drainMs() + CLOSE_MS / 2, 'the application', this.app?.close());
    await this.atMost(CLOSE_MS / 2, 'the run log', this.context?.runLog.close());
    await this.broker?.close();
    await this.ops?.close();
    this.signals?.forget();
    this.logger.info({}, `${this.definition.name} has stopped`);
  }

  private async atMost(ms: number, what: string, work: Promise<void> | undefined): Promise<void> {
    if (!work) return;
    const done = new AbortController();
    const late = pause(ms, true, { signal: done.signal }).catch(() => false);
    const closed = work
      .catch((error: unknown) => this.logger.error({ error }, `closing ${what} failed`))
      .then(() => false);
    if (await Promise.race([closed, late])) {
      this.late = true;
      this.logger.error({}, `${what} did not close within ${ms} ms`);
    }
    done.abort();
  }
}
