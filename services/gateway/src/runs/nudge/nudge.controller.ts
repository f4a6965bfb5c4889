import { Body, Controller, Headers, Inject, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { idempotencyKeyOf } from '../../idempotency/idempotency-key.ts';
import { Operation } from '../../openapi/operation.ts';
import { CONTROL_PROBLEMS } from '../../problem/from-refusal.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { RunPath } from '../run-path.ts';
import { type NudgeAnswer, NudgeSender } from './nudge-sender.ts';

const NudgeRequest = z.strictObject({ message: z.string().min(1).max(2_000) });
type NudgeRequest = z.infer<typeof NudgeRequest>;
const NudgeAnswerSchema = z.object({ nudge_id: z.string(), seq: z.int() });

@Controller('runs')
export class NudgeController {
  constructor(@Inject(NudgeSender) private readonly sender: NudgeSender) {}

  @Post(':run_id/nudges')
  @Operation({
    id: 'sendNudge',
    summary: 'Say something to a run, which takes it up between two turns; at most 10 a minute',
    tag: 'control',
    access: ['runs:control'],
    path: RunPath,
    headers: {
      'Idempotency-Key': '1-255 visible ASCII characters: the same key and message are one nudge',
    },
    body: NudgeRequest,
    answers: { 202: { description: 'The nudge is on disk', schema: NudgeAnswerSchema } },
    problems: [...CONTROL_PROBLEMS, 'run_stopping', 'too_many_nudges'],
  })
  nudge(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(RunPath, 'path')) path: RunPath,
    @Body(new SchemaPipe(NudgeRequest, 'body')) { message }: NudgeRequest,
    @Headers('idempotency-key') key: string | undefined,
  ): Promise<NudgeAnswer> {
    return this.sender.send(caller, path.run_id, message, idempotencyKeyOf(key));
  }
}
