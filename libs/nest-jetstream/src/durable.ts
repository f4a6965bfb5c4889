import {
  AckPolicy,
  type Consumer,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { Broker, ConsumerDefinition } from './port.ts';

/** Creates the durable, or sets what differs. Throws when its stream is not there. */
export async function ensureDurable(
  broker: Broker,
  definition: ConsumerDefinition<unknown>,
): Promise<{ consumer: Consumer; info: ConsumerInfo; created: boolean }> {
  const jsm = await broker.jsm();
  const { stream, durable } = definition;
  const wanted = durableConfig(definition);
  let info = await found(() => jsm.consumers.info(stream, durable));
  const created = info === undefined;
  if (info === undefined)
    info = await jsm.consumers.add(stream, {
      durable_name: durable,
      deliver_policy: DeliverPolicy.All,
      ...wanted,
    });
  else if (differs(info.config, wanted)) info = await jsm.consumers.update(stream, durable, wanted);
  return { consumer: broker.js.consumers.getConsumerFromInfo(info), info, created };
}

function durableConfig(definition: ConsumerDefinition<unknown>): Partial<ConsumerConfig> {
  return {
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(definition.ackWaitMs),
    max_ack_pending: definition.maxAckPending,
    // A Fault is retried for ever; only Poison ends a message, and that by our own hand.
    max_deliver: -1,
    filter_subject: definition.filter,
  };
}

function differs(is: ConsumerConfig, wanted: Partial<ConsumerConfig>): boolean {
  return (
    is.ack_wait !== wanted.ack_wait ||
    is.max_ack_pending !== wanted.max_ack_pending ||
    is.max_deliver !== wanted.max_deliver ||
    is.filter_subject !== wanted.filter_subject
  );
}

async function found(look: () => Promise<ConsumerInfo>): Promise<ConsumerInfo | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound)
      return undefined;
    throw error;
  }
}
