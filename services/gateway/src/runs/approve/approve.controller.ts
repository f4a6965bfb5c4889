import { Body, Controller, Inject, Param, Post } from '@nestjs/common';
import { z } from 'zod';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { CONTROL_PROBLEMS } from '../../problem/from-refusal.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { ControlAnswer, RunControl } from '../control/run-control.ts';
import { PathToken, RunPath } from '../run-path.ts';

const ApprovalPath = RunPath.extend({ approval_id: PathToken });
type ApprovalPath = z.infer<typeof ApprovalPath>;

const ApprovalRequest = z.strictObject({
  decision: z.enum(['approve', 'deny']),
  reason: z.string().max(2_000).default(''),
  scope: z.enum(['call']).default('call').meta({ description: 'What is decided on: this call' }),
});
type ApprovalRequest = z.infer<typeof ApprovalRequest>;

@Controller('runs')
export class ApproveController {
  constructor(@Inject(RunControl) private readonly control: RunControl) {}

  @Post(':run_id/approvals/:approval_id')
  @Operation({
    id: 'decideApproval',
    summary: 'Approve or deny what a run asks for; the first answer counts',
    tag: 'control',
    access: ['approvals:decide'],
    path: ApprovalPath,
    body: ApprovalRequest,
    answers: { 202: { description: 'The decision is on disk, or was before', schema: ControlAnswer } },
    problems: [...CONTROL_PROBLEMS, 'approval_not_found', 'approval_already_decided', 'run_stopping'],
  })
  decide(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(ApprovalPath, 'path')) { run_id, approval_id }: ApprovalPath,
    @Body(new SchemaPipe(ApprovalRequest, 'body')) body: ApprovalRequest,
  ): Promise<ControlAnswer> {
    return this.control.give(caller, run_id, (by) => ({
      type: 'DecideApproval',
      approval_id,
      by,
      channel: by.channel,
      ...body,
    }));
  }
}
