import { Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { connectBroker, JetStreamStrategy, type Broker } from '@runledger/nest-jetstream';
import { JetStreamRunLog } from '@runledger/run-log';
import type { ServiceContext, Settings } from '@runledger/service-host';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { executorDefinition } from '../src/module.ts';
import type { Cell } from './cell.ts';

export interface TestExecutor {
  readonly instance: string;
  /** Orderly: drains, then closes. */
  close(): Promise<void>;
  /** As if the process had died: its connection is cut, nothing is told to anybody. */
  cut(): Promise<void>;
}

let count = 0;

export async function startExecutor(cell: Cell, more: Partial<Settings> = {}): Promise<TestExecutor> {
  const instance = `x${++count}-${cell.server.name.slice(-6)}`;
  const broker = await connectBroker({ url: cell.server.url, name: instance });
  const runLog = new JetStreamRunLog(broker, { writer: `agent-executor/${instance}` });
  const context = contextFor(cell, { instance, broker, runLog }, more);
  @Module({ imports: executorDefinition.modules(context) })
  class Root {}
  const strategy = new JetStreamStrategy({
    broker,
    service: 'agent-executor',
    logger: context.logger,
    drainMs: 20_000,
  });
  const app: INestMicroservice = await NestFactory.createMicroservice(Root, {
    strategy,
    logger: ['error', 'warn'],
  });
  await app.listen();
  return {
    instance,
    close: async () => {
      await app.close();
      await runLog.close();
      await broker.close();
    },
    cut: async () => broker.nc.close(),
  };
}

function contextFor(
  cell: Cell,
  own: { instance: string; broker: Broker; runLog: JetStreamRunLog },
  more: Partial<Settings>,
): ServiceContext {
  const settings: Settings = {
    home: '/nonexistent',
    natsUrl: cell.server.url,
    port: 0,
    host: '127.0.0.1',
    opsPort: 0,
    leaseS: 1,
    slots: 8,
    pool: cell.pool,
    rootRunsPerUser: 10,
    secretKey: cell.secretKey,
    logLevel: 'warn',
    profile: 'local',
    ...more,
  };
  return {
    name: 'agent-executor',
    settings,
    logger: pino({ level: process.env.TEST_LOG ?? 'silent' }),
    metrics: new Registry(),
    ...own,
  };
}
