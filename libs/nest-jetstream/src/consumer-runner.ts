import type { Consumer, ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import { setTimeout as pause } from 'node:timers/promises';
import type { ConnectionWatch } from './connection-watch.ts';
import type { DeadLetters } from './dead-letters.ts';
import {
  describe,
  handBack,
  type Outcome,
  outcomeOf,
  outcomeOfError,
  settle,
  type Settling,
} from './delivery.ts';
import { ensureDurable } from './durable.ts';
import type {
  Broker,
  ConsumerDefinition,
  ConsumerLogger,
  ConsumerObserver,
  ConsumerPhase,
  ConsumerState,
  Delivery,
  Handled,
  Settlement,
} from './port.ts';
import { Slots } from './slots.ts';
import { type Turn, SubjectLanes } from './subject-lanes.ts';

/*
 * Owns one durable in this process: pulling, how many handlers run, keeping what is held alive, draining.
 * Does not own what an outcome means to the broker (delivery.ts).
 *
 * R1  Exactly as many messages are asked for as slots are free: none waits in a buffer while ack_wait runs and others could take it.
 * R2  Never more handlers than `concurrency`, those that gave their slot back not counted.
 * R3  What is held (running, or waiting for its subject's turn) is kept by working() every third of ack_wait, until it is settled.
 * R4  Serial consumers: messages of one subject are handled in the order of delivery; what already waits behind a failed one goes back with it.
 * R5  A missing stream or durable, or a broker that is away, is waited for with backoff, told in log and state, and never the end of pulling.
 * R6  After drain() has begun no handler starts; what is held unhandled goes back; running handlers get `drainMs`.
 */

const PULL_MS = 5_000;
/** The client ends a pull by itself when it expires; this is for the pull whose end got lost. */
const PULL_LOST_MS = PULL_MS + 5_000;
const RETRY_MS: [number, number] = [100, 5_000];

export interface RunnerSetup {
  broker: Broker;
  connection: ConnectionWatch;
  definition: ConsumerDefinition<unknown>;
  handle: (delivery: Delivery<unknown>) => Promise<Handled>;
  dead: DeadLetters;
  logger: ConsumerLogger;
  observer: ConsumerObserver;
}

export class ConsumerRunner {
  private readonly definition: ConsumerDefinition<unknown>;
  private readonly slots: Slots;
  private readonly lanes = new SubjectLanes();
  private readonly settling: Settling;
  private readonly stopped = new AbortController();
  private readonly running = new Set<Promise<void>>();
  private loop: Promise<void> = Promise.resolve();
  private pull: ConsumerMessages | undefined;
  private phase: ConsumerPhase = 'waiting';
  private problem: string | undefined;
  private pending = 0;
  private lastMessageAt: number | undefined;
  private abandoned = false;

  constructor(private readonly setup: RunnerSetup) {
    this.definition = setup.definition;
    this.slots = new Slots(this.definition.concurrency);
    this.settling = { definition: this.definition, dead: setup.dead, logger: setup.logger };
  }

  start(): void {
    const forget = this.setup.connection.onChange((connected) => {
      // A pull does not survive its connection; the next one is made when it is back.
      if (!connected) void this.pull?.close();
    });
    this.loop = this.pullForEver().finally(() => {
      forget();
      this.enter('stopped');
    });
  }

  state(): ConsumerState {
    return {
      durable: this.definition.durable,
      stream: this.definition.stream,
      phase: this.phase,
      connected: this.setup.connection.connected,
      inFlight: this.running.size,
      concurrency: this.definition.concurrency,
      pending: this.pending,
      ...(this.lastMessageAt === undefined ? {} : { lastMessageAt: this.lastMessageAt }),
      ...(this.problem === undefined ? {} : { problem: this.problem }),
    };
  }

  /** Asks for no more messages and starts no more handlers. Running ones go on. */
  stopPulling(): void {
    this.stopped.abort();
    void this.pull?.close();
  }

  /** Resolves when everything held is settled, or after `drainMs`. */
  async drain(drainMs: number): Promise<void> {
    this.stopPulling();
    const late = new AbortController();
    const settled = this.loop.then(() => Promise.all(this.running));
    await Promise.race([settled, pause(drainMs, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
    this.abandoned = this.running.size > 0;
    if (this.abandoned)
      this.setup.logger.warn(
        { durable: this.definition.durable, running: this.running.size },
        `handlers still run after ${drainMs} ms; their messages come again`,
      );
  }

  private async pullForEver(): Promise<void> {
    let failures = 0;
    while (!this.stopping()) {
      try {
        await this.setup.connection.whenConnected(this.stopped.signal);
        if (this.stopping()) return;
        const { consumer, info, created } = await ensureDurable(this.setup.broker, this.definition);
        this.pending = info.num_pending;
        this.enter('consuming', created);
        for (;;) {
          await this.pullOnce(consumer);
          failures = 0;
          if (this.stopping() || !this.setup.connection.connected) break;
        }
      } catch (error) {
        if (this.stopping()) return;
        this.enter('waiting', false, error);
      }
      if (!this.setup.connection.connected) this.enter('waiting', false, new Error('the broker is away'));
      else if (this.phase === 'waiting') await this.backOff(failures++);
    }
  }

  private async pullOnce(consumer: Consumer): Promise<void> {
    await this.slots.whenFree(this.stopped.signal);
    if (this.stopping() || !this.setup.connection.connected) return;
    const pull = await consumer.fetch({ max_messages: this.slots.free, expires: PULL_MS });
    const lost = setTimeout(() => void pull.close(), PULL_LOST_MS);
    this.pull = pull;
    try {
      for await (const message of pull) await this.accept(message);
    } finally {
      clearTimeout(lost);
      this.pull = undefined;
    }
  }

  private async accept(message: JsMsg): Promise<void> {
    await this.slots.take();
    this.lastMessageAt = Date.now();
    this.pending = message.info.pending;
    const freeSlot = once(() => this.slots.release());
    const task = this.hold(message, freeSlot)
      .catch((error: unknown) => this.unexpected(message, error))
      .finally(() => {
        this.running.delete(task);
        freeSlot();
      });
    this.running.add(task);
  }

  private async hold(message: JsMsg, freeSlot: () => void): Promise<void> {
    const from = performance.now();
    const alive = setInterval(() => !this.abandoned && keepAlive(message), this.definition.ackWaitMs / 3);
    let settlement: Settlement = 'returned';
    const take = async (turn?: Turn): Promise<void> => {
      if (this.stopping() || turn?.handBackMs !== undefined)
        return handBack(message, this.settling, turn?.handBackMs);
      const outcome = await this.handle(message, freeSlot);
      // Held no longer: a late working() would take the message back from a delay or from its owner.
      clearInterval(alive);
      const settled = await settle(message, outcome, this.settling);
      settlement = settled.settlement;
      if (settled.delayMs !== undefined) turn?.failed(settled.delayMs);
    };
    try {
      await (this.definition.serialBySubject ? this.lanes.run(message.subject, take) : take());
    } finally {
      clearInterval(alive);
    }
    this.setup.observer.onSettled?.(this.definition.durable, settlement, performance.now() - from);
  }

  private async handle(message: JsMsg, freeSlot: () => void): Promise<Outcome> {
    let data: unknown;
    try {
      data = this.definition.decode({
        subject: message.subject,
        header: (name) => message.headers?.get(name) ?? '',
        text: () => message.string(),
      });
    } catch (error) {
      return { kind: 'poison', error };
    }
    try {
      const { deliveryCount, pending } = message.info;
      return outcomeOf(
        await this.setup.handle({
          data,
          subject: message.subject,
          stream_seq: message.seq,
          delivery: deliveryCount,
          pending,
          freeSlot,
        }),
      );
    } catch (error) {
      return outcomeOfError(error);
    }
  }

  /** Only an observer or a logger can fail here; the message, if it is not settled, comes again after ack_wait. */
  private unexpected(message: JsMsg, error: unknown): void {
    const { durable } = this.definition;
    this.setup.logger.error(
      { durable, subject: message.subject, error: describe(error) },
      'a delivery was not recorded',
    );
  }

  private async backOff(failures: number): Promise<void> {
    const waitMs =
      Math.min(RETRY_MS[1], RETRY_MS[0] * 2 ** Math.min(failures, 10)) * (0.75 + Math.random() / 4);
    await pause(waitMs, undefined, { signal: this.stopped.signal }).catch(() => undefined);
  }

  private stopping(): boolean {
    return this.stopped.signal.aborted;
  }

  private enter(phase: ConsumerPhase, created = false, error?: unknown): void {
    const problem = error === undefined ? undefined : describe(error).message;
    const changed = phase !== this.phase || problem !== this.problem || created;
    this.phase = phase;
    this.problem = problem;
    if (!changed) return;
    const { durable, stream, filter } = this.definition;
    const fields = { durable, stream, filter, pending: this.pending };
    if (phase === 'waiting') this.setup.logger.warn({ ...fields, problem }, `consumer waits: ${problem}`);
    else
      this.setup.logger.info(
        { ...fields, created },
        phase === 'stopped' ? 'consumer stopped' : created ? 'consumer created' : 'consumer runs',
      );
    this.setup.observer.onPhase?.(this.state());
  }
}

function once(act: () => void): () => void {
  let done = false;
  return () => {
    if (!done) act();
    done = true;
  };
}

function keepAlive(message: JsMsg): void {
  try {
    message.working();
  } catch {
    // The connection is closed for good: there is nobody to tell, and the message comes again elsewhere.
  }
}
