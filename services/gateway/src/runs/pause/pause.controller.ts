import { Body, Controller, Inject, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { CONTROL_PROBLEMS } from '../../problem/from-refusal.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { ControlAnswer, RunControl } from '../control/run-control.ts';
import { RunPath } from '../run-path.ts';

const PauseRequest = z.strictObject({ reason: z.string().max(2_000).optional() });
type PauseRequest = z.infer<typeof PauseRequest>;
const ResumeRequest = z.strictObject({});

@Controller('runs')
export class PauseController {
  constructor(@Inject(RunControl) private readonly control: RunControl) {}

  @Post(':run_id/pause')
  @Operation({
    id: 'pauseRun',
    summary: 'Ask a running run to wait at its next boundary; it holds nothing while it waits',
    tag: 'control',
    access: ['runs:control'],
    path: RunPath,
    body: PauseRequest.nullish(),
    answers: { 202: { description: 'The request is on disk, or was before', schema: ControlAnswer } },
    problems: [...CONTROL_PROBLEMS, 'run_not_running', 'run_stopping'],
  })
  pause(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(RunPath, 'path')) path: RunPath,
    @Body(new SchemaPipe(PauseRequest.nullish(), 'body')) body: PauseRequest | null | undefined,
  ): Promise<ControlAnswer> {
    return this.control.give(caller, path.run_id, (by) => ({
      type: 'PauseRun',
      by,
      reason: body?.reason ?? '',
    }));
  }

  @Post(':run_id/resume')
  @Operation({
    id: 'resumeRun',
    summary: 'Let a paused run go on, or take back a pause that it has not come to yet',
    tag: 'control',
    access: ['runs:control'],
    path: RunPath,
    body: ResumeRequest.nullish(),
    answers: { 202: { description: 'The run is not paused', schema: ControlAnswer } },
    problems: [...CONTROL_PROBLEMS, 'run_stopping'],
  })
  resume(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(RunPath, 'path')) path: RunPath,
    @Body(new SchemaPipe(ResumeRequest.nullish(), 'body')) _body: unknown,
  ): Promise<ControlAnswer> {
    return this.control.give(caller, path.run_id, (by) => ({ type: 'ResumeRun', by }));
  }
}
