import { Body, Controller, Inject, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { RunPath } from '../run-path.ts';
import { type StopAnswer, StopRequest, RunStopper } from './run-stopper.ts';

const StopAnswerSchema = z.object({ run_id: z.string(), status: z.string(), seq: z.int() });

@Controller('runs')
export class StopController {
  constructor(@Inject(RunStopper) private readonly stopper: RunStopper) {}

  @Post(':run_id/stop')
  @Operation({
    id: 'stopRun',
    summary: 'Ask a run and its children to stop; `mode: kill` does not wait for boundaries',
    tag: 'runs',
    access: ['runs:control'],
    path: RunPath,
    body: StopRequest,
    answers: { 202: { description: 'The stop is on disk, or was before', schema: StopAnswerSchema } },
    problems: [
      'run_not_found',
      'run_erased',
      'run_already_ended',
      'refused',
      'log_unavailable',
      'outcome_unknown',
    ],
  })
  stop(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(RunPath, 'path')) path: RunPath,
    @Body(new SchemaPipe(StopRequest.nullish(), 'body')) body: StopRequest | null | undefined,
  ): Promise<StopAnswer> {
    return this.stopper.stop(caller, path.run_id, body ?? {});
  }
}
