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
  /** What is left of the handler costs next to nothing: its slot may go to another message meanwhile. Repeats are harmless. */
  freeSlot: () => void;
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

export type ConsumerOverrides = Record<
  string,
  Partial<Pick<ConsumerDefinition<unknown>, 'concurrency' | 'ackWaitMs' | 'maxAckPending'>>
>;

/** What a consumer is doing. `waiting`: its stream or durable is not there, or the broker is not; `problem` says which. */
export type ConsumerPhase = 'waiting' | 'consuming' | 'stopped';

/** One durable as this process sees it, for readiness and metrics. */
export interface ConsumerState {
  durable: string;
  stream: string;
  phase: ConsumerPhase;
  connected: boolean;
  /** Handlers that run now, or wait for their subject's turn. */
  inFlight: number;
  concurrency: number;
  /** Messages still to come, as the latest message or look at the durable said. */
  pending: number;
  /** Epoch in ms of the latest delivery. */
  lastMessageAt?: number;
  /** Why it waits. */
  problem?: string;
}

/** How a delivery ended. `returned`: handed back unhandled (shutdown, or an earlier message of its subject failed). */
export type Settlement = 'done' | 'kept' | 'fault' | 'dead' | 'returned';

export interface ConsumerObserver {
  /** `ms` is from delivery to settlement. */
  onSettled?: (durable: string, settlement: Settlement, ms: number) => void;
  onPhase?: (state: ConsumerState) => void;
}

/** What lies on `dead.<service>.<durable>` as JSON: a message that can never be handled. */
export interface DeadLetter {
  service: string;
  durable: string;
  code: string;
  reason: string;
  subject: string;
  stream: string;
  stream_seq: number;
  delivery: number;
  at: string;
  headers: Record<string, string[]>;
  /** At most the first 64 KiB of the original; `payload_bytes` is its whole length. */
  payload: string;
  payload_encoding: 'utf8' | 'base64';
  payload_bytes: number;
}

/** The part of a pino logger that consumers use. */
export interface ConsumerLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
