import { Body, Controller, Inject, Param, Post } from '@nestjs/common';
import type { Json } from '@runledger/run';
import { z } from 'zod';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { CONTROL_PROBLEMS } from '../../problem/from-refusal.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { ControlAnswer, RunControl } from '../control/run-control.ts';
import { PathToken, RunPath } from '../run-path.ts';

const OutcomePath = RunPath.extend({ call_id: PathToken });
type OutcomePath = z.infer<typeof OutcomePath>;

const OutcomeRequest = z
  .strictObject({
    choice: z.enum(['retry', 'mark_done', 'skip']),
    result: z
      .unknown()
      .optional()
      .meta({ description: 'With mark_done: what the call is to have returned, any JSON; default null' }),
  })
  .refine(({ choice, result }) => result === undefined || choice === 'mark_done', {
    path: ['result'],
    message: 'goes with the choice mark_done only',
  });
type OutcomeRequest = z.infer<typeof OutcomeRequest>;

@Controller('runs')
export class OutcomeController {
  constructor(@Inject(RunControl) private readonly control: RunControl) {}

  @Post(':run_id/outcomes/:call_id')
  @Operation({
    id: 'resolveOutcome',
    summary: 'Say what became of a tool call whose outcome is not known; after the last one the run goes on',
    tag: 'control',
    access: ['runs:control'],
    path: OutcomePath,
    body: OutcomeRequest,
    answers: { 202: { description: 'The choice is on disk', schema: ControlAnswer } },
    problems: [...CONTROL_PROBLEMS, 'call_not_found', 'outcome_not_unknown', 'run_stopping'],
  })
  resolve(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(OutcomePath, 'path')) { run_id, call_id }: OutcomePath,
    @Body(new SchemaPipe(OutcomeRequest, 'body')) { choice, result = null }: OutcomeRequest,
  ): Promise<ControlAnswer> {
    return this.control.give(caller, run_id, async (by, address) => {
      const resolved = { type: 'ResolveOutcome' as const, call_id, by, choice };
      if (choice !== 'mark_done') return resolved;
      return { ...resolved, result: await this.control.inlineOrBlob(address, result as Json) };
    });
  }
}
