import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { SERVICE_CONTEXT, type ServiceContext, type ServiceDefinition } from '@runledger/service-host';
import { AgentCatalogue } from './agents/agent-catalogue.ts';
import { AccessGuard } from './auth/access.guard.ts';
import { Authenticator } from './auth/authenticator.ts';
import { Buckets } from './broker/buckets.ts';
import { CONTROLLERS } from './controllers.ts';
import { hardenHttp } from './http/harden.ts';
import { serverOptions } from './http/server-options.ts';
import { Reservations } from './idempotency/reservations.ts';
import { openApiDocument } from './openapi/document.ts';
import { OPENAPI_DOCUMENT } from './openapi/openapi.controller.ts';
import { Readiness } from './ops/readiness.ts';
import { ProblemFilter } from './problem/problem.filter.ts';
import { EventPages } from './runs/events/event-pages.ts';
import { RunLister } from './runs/list/run-lister.ts';
import { RunAccess } from './runs/load-run-for.ts';
import { RunReader } from './runs/read/run-reader.ts';
import { RunStarter } from './runs/start/run-starter.ts';
import { RunStopper } from './runs/stop/run-stopper.ts';
import { Views } from './runs/views.ts';
import { OpenStreams } from './stream/open-streams.ts';
import { RunStreams } from './stream/run-streams.ts';

@Module({
  controllers: [...CONTROLLERS],
  providers: [
    { provide: APP_GUARD, useClass: AccessGuard },
    { provide: APP_FILTER, useClass: ProblemFilter },
    {
      provide: Buckets,
      useFactory: (context: ServiceContext) => new Buckets(context.broker),
      inject: [SERVICE_CONTEXT],
    },
    { provide: OPENAPI_DOCUMENT, useFactory: () => openApiDocument(CONTROLLERS) },
    AgentCatalogue,
    Authenticator,
    EventPages,
    OpenStreams,
    Readiness,
    Reservations,
    RunAccess,
    RunLister,
    RunReader,
    RunStarter,
    RunStopper,
    RunStreams,
    Views,
  ],
})
export class GatewayModule {}

/** HTTP and SSE for people: authentication, commands, and reading. */
export const gatewayDefinition: ServiceDefinition = {
  name: 'gateway',
  modules: () => [GatewayModule],
  httpServer: () => serverOptions(),
  http: hardenHttp,
};
