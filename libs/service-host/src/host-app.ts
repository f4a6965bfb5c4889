import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { JetStreamStrategy } from '@runledger/nest-jetstream';
import type { FastifyHttpOptions, RawServerDefault } from 'fastify';
import { listenError, urlOf } from './ops-server.ts';
import { SERVICE_CONTEXT, type ServiceContext, type ServiceDefinition } from './port.ts';
import { NestLog } from './service-log.ts';

class ContextModule {}
class ServiceModule {}

export interface HostApp {
  /** Base URL of the service's own HTTP API. */
  url?: string;
  /** Hooks of the modules first, then HTTP and consumers (drained), then onApplicationShutdown. */
  close(): Promise<void>;
}

/**
 * The Nest application of a service. Services without HTTP are the same kind of application, which never listens: only
 * so do `onModuleDestroy` and `beforeApplicationShutdown` run before the consumers are drained, which is when a handler
 * that holds something for long can be told to let go.
 */
export async function startHostApp(
  definition: ServiceDefinition,
  context: ServiceContext,
  strategy: JetStreamStrategy,
): Promise<HostApp> {
  const app = await NestFactory.create<NestFastifyApplication>(
    rootModule(definition, context),
    adapterOf(definition, context),
    {
      logger: new NestLog(context.logger),
      abortOnError: false,
    },
  );
  try {
    app.connectMicroservice<MicroserviceOptions>({ strategy });
    await definition.http?.(app, context);
    // Before the consumers: no message is handled before onModuleInit has run.
    await app.init();
    const url = definition.http ? await listen(app, context) : undefined;
    await app.startAllMicroservices();
    return { ...(url === undefined ? {} : { url }), close: () => app.close() };
  } catch (error) {
    await app.close().catch(() => undefined);
    throw error;
  }
}

function rootModule(definition: ServiceDefinition, context: ServiceContext): DynamicModule {
  const contextModule: DynamicModule = {
    module: ContextModule,
    global: true,
    providers: [{ provide: SERVICE_CONTEXT, useValue: context }],
    exports: [SERVICE_CONTEXT],
  };
  return { module: ServiceModule, imports: [contextModule, ...definition.modules(context)] };
}

function adapterOf(definition: ServiceDefinition, context: ServiceContext): FastifyAdapter {
  return new FastifyAdapter((definition.httpServer?.(context) ?? {}) as FastifyHttpOptions<RawServerDefault>);
}

async function listen(
  app: NestFastifyApplication,
  { settings: { host, port } }: ServiceContext,
): Promise<string> {
  try {
    await app.listen(port, host);
  } catch (error) {
    throw listenError(error, 'RUNLEDGER_PORT', host, port);
  }
  return urlOf(app.getHttpServer(), host);
}
