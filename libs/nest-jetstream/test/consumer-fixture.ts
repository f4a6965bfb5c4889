import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { Controller, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { StorageType } from '@nats-io/jetstream';
import {
  type Broker,
  type ConsumerDefinition,
  type ConsumerLogger,
  type Delivery,
  DurableConsumer,
  type Handled,
  JetStreamStrategy,
  type Settlement,
  type StrategyOptions,
} from '../src/index.ts';

export const unique = (): string => randomBytes(5).toString('hex');

/** A stream of the test's own with subjects `<name>.>`. */
export async function testStream(broker: Broker): Promise<string> {
  const name = `T${unique()}`;
  const jsm = await broker.jsm();
  await jsm.streams.add({ name, subjects: [`${name}.>`], storage: StorageType.Memory });
  return name;
}

export function definitionOf(
  stream: string,
  wanted: Partial<ConsumerDefinition<string>> = {},
): ConsumerDefinition<string> {
  return {
    durable: `d-${unique()}`,
    stream,
    filter: `${stream}.>`,
    decode: (message) => message.text(),
    concurrency: 4,
    ackWaitMs: 30_000,
    maxAckPending: 1_000,
    faultDelayMs: [200, 2_000],
    ...wanted,
  };
}

export function controllerOf(
  definition: ConsumerDefinition<string>,
  handle: (delivery: Delivery<string>) => Promise<Handled>,
): Type {
  @Controller()
  class TestConsumer {
    @DurableConsumer(definition)
    on(delivery: Delivery<string>): Promise<Handled> {
      return handle(delivery);
    }
  }
  return TestConsumer;
}

export interface Line {
  level: string;
  message: string;
  fields: Record<string, unknown>;
}

export function memoryLog(): ConsumerLogger & { lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: { ...fields } });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export interface Started {
  strategy: JetStreamStrategy;
  log: ReturnType<typeof memoryLog>;
  settled: Settlement[];
  close(): Promise<void>;
}

/** A Nest application with these consumers on this broker, as a service has it. */
export async function startConsumers(
  broker: Broker,
  controllers: Type[],
  options: Partial<StrategyOptions> = {},
): Promise<Started> {
  const log = memoryLog();
  const settled: Settlement[] = [];
  const observer = { onSettled: (_durable: string, settlement: Settlement) => void settled.push(settlement) };
  const strategy = new JetStreamStrategy({
    broker,
    service: 'test',
    logger: log,
    observer,
    drainMs: 5_000,
    ...options,
  });
  class TestModule {}
  Module({ controllers })(TestModule);
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(TestModule, {
    strategy,
    logger: false,
    abortOnError: false,
  });
  await app.listen();
  return { strategy, log, settled, close: () => app.close() };
}

/** Ack and redelivery counters of a durable as the broker has them. */
export async function durableInfo(broker: Broker, { stream, durable }: ConsumerDefinition<string>) {
  const jsm = await broker.jsm();
  return jsm.consumers.info(stream, durable);
}
