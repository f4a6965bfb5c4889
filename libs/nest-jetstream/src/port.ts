import type { NatsConnection } from '@nats-io/transport-node';
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';

/** A checked connection: the server is at or above the floor and JetStream answers. */
export interface Broker {
  nc: NatsConnection;
  js: JetStreamClient;
  jsm: () => Promise<JetStreamManager>;
  /** Drains and closes. */
  close(): Promise<void>;
}

/** What a decoder sees of a stored message. */
export interface StoredMessage {
  subject: string;
  /** A header's value, or the empty string. */
  header: (name: string) => string;
  text: () => string;
}

export interface Delivery<T> {
  data: T;
  subject: string;
  stream_seq: number;
  /** 1 at the first delivery of this message. */
  delivery: number;
  /** Messages of the consumer still to come. */
  pending: number;
}

/** A handler's answer "leave this message un-acked": another process owns its ack. */
export const KEEP = Symbol('keep');
export type Handled = void | typeof KEEP;

/** One durable consumer with one handler. */
export interface ConsumerDefinition<T> {
  durable: string;
  stream: string;
  filter: string;
  /** Throws Poison for what can never be handled. */
  decode: (message: StoredMessage) => T;
  /** Handlers at once in this process; prefetch equals it. */
  concurrency: number;
  /** Messages of one subject are handled one after the other, in order. */
  serialBySubject?: boolean;
  ackWaitMs: number;
  maxAckPending: number;
  /** Delay before a Fault is delivered again: doubled up to the second figure. */
  faultDelayMs?: [number, number];
}

export type ConsumerOverrides = Record<string, Partial<Pick<ConsumerDefinition<unknown>, 'concurrency' | 'ackWaitMs' | 'maxAckPending'>>>;
