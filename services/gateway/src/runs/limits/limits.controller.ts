import { Body, Controller, Inject, Param, Post } from '@nestjs/common';
import type { Limits } from '@runledger/run';
import type { z } from 'zod';
import { AgentLimits } from '../../agents/agent-definition.ts';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { CONTROL_PROBLEMS } from '../../problem/from-refusal.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { ControlAnswer, RunControl } from '../control/run-control.ts';
import { RunPath } from '../run-path.ts';
import { decimal } from '../start/limits.ts';

const LimitsRequest = AgentLimits.refine(
  (limits) => Object.keys(limits).length > 0,
  'give at least one of max_turns, max_cost_usd, timeout_s, max_attempts',
);
type LimitsRequest = z.infer<typeof LimitsRequest>;

@Controller('runs')
export class LimitsController {
  constructor(@Inject(RunControl) private readonly control: RunControl) {}

  @Post(':run_id/limits')
  @Operation({
    id: 'raiseLimits',
    summary: 'Raise limits of a run; one that waits at the limit that was raised goes on',
    tag: 'control',
    access: ['runs:control'],
    path: RunPath,
    body: LimitsRequest,
    answers: { 202: { description: 'The limits are raised, or were so before', schema: ControlAnswer } },
    problems: [...CONTROL_PROBLEMS, 'limit_not_raised', 'run_stopping'],
  })
  raise(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(RunPath, 'path')) path: RunPath,
    @Body(new SchemaPipe(LimitsRequest, 'body')) body: LimitsRequest,
  ): Promise<ControlAnswer> {
    const limits = asRecorded(body);
    return this.control.give(caller, path.run_id, (by) => ({ type: 'RaiseLimits', by, limits }));
  }
}

function asRecorded({ max_turns, max_cost_usd, timeout_s, max_attempts }: LimitsRequest): Partial<Limits> {
  return {
    ...(max_turns === undefined ? {} : { max_turns }),
    ...(max_cost_usd === undefined ? {} : { max_cost_usd: decimal(max_cost_usd) }),
    ...(timeout_s === undefined ? {} : { timeout_s }),
    ...(max_attempts === undefined ? {} : { max_attempts }),
  };
}
