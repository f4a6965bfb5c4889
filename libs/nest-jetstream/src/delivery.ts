import type { JsMsg } from '@nats-io/jetstream';
import type { DeadLetters } from './dead-letters.ts';
import { type ConsumerDefinition, type ConsumerLogger, type Handled, KEEP, type Settlement } from './port.ts';

/*
 * Owns the mapping of a handler's outcome to JetStream; nothing else acks, naks or terms. Does not own when a handler runs.
 *
 * D1  A handler that resolved: ack. With KEEP: nothing is sent, the message comes again after ack_wait unless its owner acks it.
 * D2  A Fault, and every error of an unknown kind: nak with a delay that doubles with each delivery, with jitter. For ever.
 * D3  Poison: first on DEAD, acknowledged by the broker, then term. When DEAD cannot take it: as D2.
 * D4  A handler's refusal is a value, not an error: it is D1.
 */

export type Outcome =
  | { kind: 'done' }
  | { kind: 'kept' }
  | { kind: 'fault'; error: unknown }
  | { kind: 'poison'; error: unknown };

export const DEFAULT_FAULT_DELAY_MS: [number, number] = [250, 30_000];

export interface Settling {
  definition: ConsumerDefinition<unknown>;
  dead: DeadLetters;
  logger: ConsumerLogger;
}

export function outcomeOf(answer: Handled): Outcome {
  return answer === KEEP ? { kind: 'kept' } : { kind: 'done' };
}

export function outcomeOfError(error: unknown): Outcome {
  const kind = typeof error === 'object' && error !== null ? (error as { kind?: unknown }).kind : undefined;
  return kind === 'poison' ? { kind: 'poison', error } : { kind: 'fault', error };
}

/** Sends the outcome to the broker. `delayMs` is set when the message will come again on our word. Never throws. */
export async function settle(
  message: JsMsg,
  outcome: Outcome,
  settling: Settling,
): Promise<{ settlement: Settlement; delayMs?: number }> {
  switch (outcome.kind) {
    case 'done':
      attempt(() => message.ack(), settling);
      return { settlement: 'done' };
    case 'kept':
      return { settlement: 'kept' };
    case 'fault':
      settling.logger.warn(
        { ...about(message, settling), error: describe(outcome.error) },
        'handler failed; the message comes again',
      );
      return { settlement: 'fault', delayMs: later(message, settling) };
    case 'poison':
      return bury(message, outcome.error, settling);
  }
}

/** Hands a message back unhandled. */
export function handBack(message: JsMsg, settling: Settling, delayMs?: number): void {
  attempt(() => message.nak(delayMs), settling);
}

export function faultDelayMs(delivery: number, [first, last]: [number, number]): number {
  const doubled = Math.min(last, first * 2 ** Math.min(delivery - 1, 30));
  return Math.round(doubled * (0.75 + Math.random() / 4));
}

async function bury(
  message: JsMsg,
  error: unknown,
  settling: Settling,
): Promise<{ settlement: Settlement; delayMs?: number }> {
  const fields = { ...about(message, settling), error: describe(error) };
  try {
    await settling.dead.publish(message, settling.definition, error);
  } catch (refused) {
    settling.logger.error(
      { ...fields, dead: describe(refused) },
      'a poisoned message could not be kept on DEAD; it comes again',
    );
    return { settlement: 'fault', delayMs: later(message, settling) };
  }
  attempt(() => message.term('poison'), settling);
  settling.logger.error(fields, 'message can never be handled; it is on DEAD');
  return { settlement: 'dead' };
}

function later(message: JsMsg, settling: Settling): number {
  const delayMs = faultDelayMs(
    message.info.deliveryCount,
    settling.definition.faultDelayMs ?? DEFAULT_FAULT_DELAY_MS,
  );
  attempt(() => message.nak(delayMs), settling);
  return delayMs;
}

/** A closed connection throws here; the message then comes again after ack_wait, which is right. */
function attempt(send: () => void, settling: Settling): void {
  try {
    send();
  } catch (error) {
    settling.logger.warn(
      { durable: settling.definition.durable, error: describe(error) },
      'an answer did not reach the broker',
    );
  }
}

function about(message: JsMsg, { definition }: Settling): object {
  return {
    durable: definition.durable,
    subject: message.subject,
    stream_seq: message.seq,
    delivery: message.info.deliveryCount,
  };
}

export function describe(error: unknown): { name?: string; code?: unknown; message: string; stack?: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = (error as { code?: unknown }).code;
  return {
    name: error.name,
    ...(code === undefined ? {} : { code }),
    message: error.message,
    ...(error.stack ? { stack: error.stack } : {}),
  };
}
