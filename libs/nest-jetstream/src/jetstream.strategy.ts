import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import { lastValueFrom } from 'rxjs';
import { ConnectionWatch } from './connection-watch.ts';
import { ConsumerRunner } from './consumer-runner.ts';
import { DeadLetters } from './dead-letters.ts';
import { DURABLE_TRANSPORT, type DurableExtras } from './durable-consumer.decorator.ts';
import type {
  Broker,
  ConsumerDefinition,
  ConsumerLogger,
  ConsumerObserver,
  ConsumerOverrides,
  ConsumerState,
  DeadLetter,
  Delivery,
  Handled,
} from './port.ts';

/*
 * Owns the binding of Nest handlers to durables. Does not own pulling (consumer-runner.ts) or acking (delivery.ts).
 *
 * S1  One durable, one handler. A second one is an error at start that names both.
 * S2  A handler's error arrives here with its class and fields (pass-through.filter.ts).
 * S3  listen() does not wait for streams: a service starts without them, and says so.
 */

const DEFAULT_DRAIN_MS = 10_000;

export interface StrategyOptions {
  broker: Broker;
  /** Name of the service, part of the dead-letter subject. */
  service: string;
  logger: ConsumerLogger;
  overrides?: ConsumerOverrides;
  observer?: ConsumerObserver;
  onDead?: (letter: DeadLetter) => void;
  drainMs?: number;
}

export class DuplicateHandler extends Error {
  constructor(durable: string, handlers: [string, string]) {
    super(
      `durable ${durable} has two handlers, ${handlers.join(' and ')}: one delivery has one ack, so it can have one only`,
    );
    this.name = 'DuplicateHandler';
  }
}

export class JetStreamStrategy extends Server implements CustomTransportStrategy {
  override readonly transportId = DURABLE_TRANSPORT;
  override readonly propagatesEventHandlerErrors = true;
  private readonly runners: ConsumerRunner[] = [];
  private connection: ConnectionWatch | undefined;

  constructor(private readonly options: StrategyOptions) {
    super();
  }

  override addHandler(
    pattern: unknown,
    handler: MessageHandler,
    isEventHandler = false,
    extras: Record<string, unknown> = {},
  ): void {
    const named = extras as Partial<DurableExtras>;
    const durable = this.normalizePattern(pattern as string);
    if (!named.consumer || !named.handler)
      throw new Error(`${durable}: only methods with @DurableConsumer can be bound to JetStream`);
    const there = this.messageHandlers.get(durable)?.extras as DurableExtras | undefined;
    if (there) throw new DuplicateHandler(durable, [there.handler, named.handler]);
    super.addHandler(pattern, handler, isEventHandler, extras);
  }

  listen(callback: (error?: unknown) => void): void {
    this.connection = new ConnectionWatch(this.options.broker.nc);
    const dead = new DeadLetters(this.options.broker, this.options.service, this.options.onDead);
    for (const handler of this.messageHandlers.values())
      this.runners.push(this.runner(handler, this.connection, dead));
    for (const runner of this.runners) runner.start();
    callback();
  }

  /** What every durable of this process does now. */
  states(): ConsumerState[] {
    return this.runners.map((runner) => runner.state());
  }

  /** Asks for no more messages; running handlers go on. The first step of a shutdown. */
  stopPulling(): void {
    for (const runner of this.runners) runner.stopPulling();
  }

  /** Stops pulling, hands back what is held unhandled, and waits for running handlers up to `drainMs`. */
  async close(): Promise<void> {
    const drainMs = this.options.drainMs ?? DEFAULT_DRAIN_MS;
    await Promise.all(this.runners.map((runner) => runner.drain(drainMs)));
    if (!this.options.broker.nc.isClosed()) await this.options.broker.nc.flush().catch(() => undefined);
  }

  override on(event: string): never {
    throw new Error(`JetStreamStrategy has no event ${event}: use the observer`);
  }

  override unwrap<T>(): T {
    return this.options.broker.nc as T;
  }

  private runner(handler: MessageHandler, connection: ConnectionWatch, dead: DeadLetters): ConsumerRunner {
    const { consumer } = handler.extras as DurableExtras;
    const definition: ConsumerDefinition<unknown> = {
      ...consumer,
      ...this.options.overrides?.[consumer.durable],
    };
    // Nest's proxy resolves with an Observable; an error is in there, not in the promise.
    const handle = async (delivery: Delivery<unknown>): Promise<Handled> =>
      lastValueFrom(this.transformToObservable<Handled>(await (handler(delivery) as Promise<Handled>)), {
        defaultValue: undefined,
      });
    const { broker, logger, observer = {} } = this.options;
    return new ConsumerRunner({ broker, connection, definition, handle, dead, logger, observer });
  }
}
