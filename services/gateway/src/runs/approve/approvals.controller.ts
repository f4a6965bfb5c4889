import { Controller, Get, Inject, Query } from '@nestjs/common';
import { z } from 'zod';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { OpenApprovalAnswer } from '../read/run-answer.ts';
import { Whole } from '../run-path.ts';
import { type ApprovalPage, OpenApprovals } from './open-approvals.ts';

const DEFAULT_LIMIT = 50;

const ApprovalsQuery = z.strictObject({
  limit: Whole(1, 100).optional(),
  cursor: z.string().min(1).max(500).optional(),
});
type ApprovalsQuery = z.infer<typeof ApprovalsQuery>;

const ApprovalsAnswer = z.object({
  approvals: z.array(
    OpenApprovalAnswer.extend({ run_id: z.string(), agent_id: z.string(), agent_name: z.string() }),
  ),
  next_cursor: z.string().nullable(),
});

@Controller('approvals')
export class ApprovalsController {
  constructor(@Inject(OpenApprovals) private readonly open: OpenApprovals) {}

  @Get()
  @Operation({
    id: 'listApprovals',
    summary: 'What your runs ask for and nobody has decided',
    description:
      'Newest runs first; `limit` is the most runs of a page. A page may be short, even empty, and still have a `next_cursor`.',
    tag: 'control',
    access: ['approvals:decide', 'runs:read', 'runs:read:all'],
    query: ApprovalsQuery,
    answers: { 200: { description: 'A page of open approvals', schema: ApprovalsAnswer } },
    problems: ['invalid_cursor', 'views_unavailable', 'log_unavailable'],
  })
  list(
    @Caller() caller: Principal,
    @Query(new SchemaPipe(ApprovalsQuery, 'query')) { limit, cursor }: ApprovalsQuery,
  ): Promise<ApprovalPage> {
    return this.open.page(caller, limit ?? DEFAULT_LIMIT, cursor);
  }
}
