import { Controller, Delete, Inject, Param } from '@nestjs/common';
import { z } from 'zod';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { RunPath } from '../run-path.ts';
import { type EraseAnswer, RunEraser } from './run-eraser.ts';

const EraseAnswerSchema = z.object({
  run_id: z.string(),
  status: z.enum(['erasing', 'erased']),
  requested_at: z.string(),
  erased_at: z.string().nullable(),
});

@Controller('runs')
export class EraseController {
  constructor(@Inject(RunEraser) private readonly eraser: RunEraser) {}

  @Delete(':run_id')
  @Operation({
    id: 'eraseRun',
    summary: 'Erase an ended run for ever: its events, values and views',
    description:
      'From the answer on the run is 410 for whoever might use it, and in no list. Its bytes are overwritten soon after; ' +
      'a repeat says whether they are. Children are runs of their own and stay. Its idempotency key is free again then.',
    tag: 'runs',
    access: ['runs:control'],
    path: RunPath,
    answers: { 202: { description: 'The run is gone, or was before', schema: EraseAnswerSchema } },
    problems: ['run_not_found', 'run_not_ended', 'log_unavailable'],
  })
  erase(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(RunPath, 'path')) path: RunPath,
  ): Promise<EraseAnswer> {
    return this.eraser.erase(caller, path.run_id);
  }
}
