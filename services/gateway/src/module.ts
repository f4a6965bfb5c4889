import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { SERVICE_CONTEXT, type ServiceContext, type ServiceDefinition } from '@runledger/service-host';
import { AgUiRuns } from './ag-ui/ag-ui-runs.ts';
import { AgUiStreams } from './ag-ui/ag-ui-streams.ts';
import { InterruptAnswers } from './ag-ui/interrupt-answers.ts';
import { AgentCatalogue } from './agents/agent-catalogue.ts';
import { AuditTrail } from './audit/audit-trail.ts';
import { RefusedUses } from './audit/refused-uses.ts';
import { AccessGuard } from './auth/access.guard.ts';
import { Authenticator } from './auth/authenticator.ts';
import { OidcTokens } from './auth/oidc.ts';
import { Buckets } from './broker/buckets.ts';
import { CONTROLLERS } from './controllers.ts';
import { hardenHttp } from './http/harden.ts';
import { serverOptions } from './http/server-options.ts';
import { Reservations } from './idempotency/reservations.ts';
import { KeyKeeper } from './keys/key-keeper.ts';
import { KeyRecords } from './keys/key-records.ts';
import { RequestRate } from './limits/request-rate.ts';
import { openApiDocument } from './openapi/document.ts';
import { OPENAPI_DOCUMENT } from './openapi/openapi.controller.ts';
import { Readiness } from './ops/readiness.ts';
import { ProblemFilter } from './problem/problem.filter.ts';
import { OpenApprovals } from './runs/approve/open-approvals.ts';
import { EventPages } from './runs/events/event-pages.ts';
import { RunControl } from './runs/control/run-control.ts';
import { RunEraser } from './runs/erase/run-eraser.ts';
import { Tombstones } from './runs/erase/tombstones.ts';
import { RunLister } from './runs/list/run-lister.ts';
import { RunAccess } from './runs/load-run-for.ts';
import { NudgeSender } from './runs/nudge/nudge-sender.ts';
import { RunReader } from './runs/read/run-reader.ts';
import { RunStarter } from './runs/start/run-starter.ts';
import { RunStopper } from './runs/stop/run-stopper.ts';
import { RunTraces } from './runs/trace/run-traces.ts';
import { RunTree } from './runs/tree/run-tree.ts';
import { Views } from './runs/views.ts';
import { ScheduleKeeper } from './schedules/schedule-keeper.ts';
import { ScheduleRecords } from './schedules/schedule-records.ts';
import { Sessions } from './sessions/sessions.ts';
import { Broadcasts } from './stream/broadcasts.ts';
import { ManyStreams } from './stream/many/many-streams.ts';
import { OwnRuns } from './stream/many/own-runs.ts';
import { OpenStreams } from './stream/open-streams.ts';
import { RunStreams } from './stream/run-streams.ts';
import { RunWatcher } from './stream/run-watcher.ts';
import { SnapshotFrames } from './stream/snapshot/snapshot-frames.ts';

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
    {
      provide: AuditTrail,
      useFactory: (context: ServiceContext) => new AuditTrail(context.broker),
      inject: [SERVICE_CONTEXT],
    },
    { provide: KeyRecords, useFactory: (buckets: Buckets) => new KeyRecords(buckets), inject: [Buckets] },
    { provide: RequestRate, useFactory: () => new RequestRate() },
    { provide: OPENAPI_DOCUMENT, useFactory: () => openApiDocument(CONTROLLERS) },
    AgUiRuns,
    AgUiStreams,
    AgentCatalogue,
    Authenticator,
    Broadcasts,
    EventPages,
    InterruptAnswers,
    KeyKeeper,
    ManyStreams,
    NudgeSender,
    OidcTokens,
    OpenApprovals,
    OpenStreams,
    OwnRuns,
    Readiness,
    RefusedUses,
    Reservations,
    RunAccess,
    RunControl,
    RunEraser,
    RunLister,
    RunReader,
    RunStarter,
    RunStopper,
    RunStreams,
    RunTraces,
    RunTree,
    RunWatcher,
    ScheduleKeeper,
    ScheduleRecords,
    Sessions,
    SnapshotFrames,
    Tombstones,
    Views,
  ],
})
export class GatewayModule {}

/** HTTP and SSE for people: authentication, commands, and reading. */
/** A person waits: 503 with `Retry-After` comes within 5 s, and who repeats with the key gets the same run. */
const LOG_PATIENCE_MS = 4_000;

export const gatewayDefinition: ServiceDefinition = {
  name: 'gateway',
  logPatienceMs: LOG_PATIENCE_MS,
  modules: () => [GatewayModule],
  httpServer: () => serverOptions(),
  http: hardenHttp,
};
