import type { Type } from '@nestjs/common';
import { AgUiController } from './ag-ui/ag-ui.controller.ts';
import { AgentsController } from './agents/agents.controller.ts';
import { AuditController } from './audit/audit.controller.ts';
import { MeController } from './auth/me.controller.ts';
import { KeysController } from './keys/keys.controller.ts';
import { OpenApiController } from './openapi/openapi.controller.ts';
import { OpsController } from './ops/ops.controller.ts';
import { ApprovalsController } from './runs/approve/approvals.controller.ts';
import { ApproveController } from './runs/approve/approve.controller.ts';
import { BlobsController } from './runs/blobs/blobs.controller.ts';
import { EraseController } from './runs/erase/erase.controller.ts';
import { EventsController } from './runs/events/events.controller.ts';
import { LimitsController } from './runs/limits/limits.controller.ts';
import { ListController } from './runs/list/list.controller.ts';
import { NudgeController } from './runs/nudge/nudge.controller.ts';
import { OutcomeController } from './runs/outcome/outcome.controller.ts';
import { PauseController } from './runs/pause/pause.controller.ts';
import { ReadController } from './runs/read/read.controller.ts';
import { StartController } from './runs/start/start.controller.ts';
import { StopController } from './runs/stop/stop.controller.ts';
import { TreeController } from './runs/tree/tree.controller.ts';
import { TraceController } from './runs/trace/trace.controller.ts';
import { SchedulesController } from './schedules/schedules.controller.ts';
import { SessionController } from './sessions/session.controller.ts';
import { ManyController } from './stream/many/many.controller.ts';
import { StreamController } from './stream/stream.controller.ts';

/** Every controller of the gateway; the OpenAPI document is made from the same list. */
export const CONTROLLERS: readonly Type[] = [
  AgUiController,
  AgentsController,
  ApprovalsController,
  ApproveController,
  AuditController,
  BlobsController,
  EraseController,
  EventsController,
  KeysController,
  LimitsController,
  ListController,
  ManyController,
  MeController,
  NudgeController,
  OpenApiController,
  OpsController,
  OutcomeController,
  PauseController,
  ReadController,
  SchedulesController,
  SessionController,
  StartController,
  StopController,
  StreamController,
  TraceController,
  TreeController,
];
