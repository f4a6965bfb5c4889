import { UseFilters } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { PassThroughFilter } from './pass-through.filter.ts';
import type { ConsumerDefinition, Delivery, Handled } from './port.ts';

/** The transport id of JetStreamStrategy: only its handlers are bound to it. */
export const DURABLE_TRANSPORT = Symbol('durable-transport');

/** What travels from the decorator to the strategy. */
export interface DurableExtras<T = unknown> {
  consumer: ConsumerDefinition<T>;
  /** `Class.method`, for messages to people. */
  handler: string;
}

/**
 * Binds a controller's method to one durable consumer. The message is acked when the method resolves, left alone when
 * it resolves with `KEEP`, delivered again later when it rejects, dead-lettered when it rejects with a Poison.
 */
export function DurableConsumer<T>(definition: ConsumerDefinition<T>) {
  return <M extends (delivery: Delivery<T>) => Promise<Handled>>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void => {
    const extras: DurableExtras<T> = {
      consumer: definition,
      handler: `${target.constructor.name}.${String(key)}`,
    };
    EventPattern<string>(definition.durable, DURABLE_TRANSPORT, extras)(target, key, descriptor);
    UseFilters(PassThroughFilter)(target, key, descriptor);
  };
}
