import { Controller, Get, Inject, Query } from '@nestjs/common';
import { z } from 'zod';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { RunSummaryAnswer } from '../read/run-answer.ts';
import { ListRunsQuery } from './list-query.ts';
import { type RunList, RunLister } from './run-lister.ts';

const ListAnswer = z.object({ runs: z.array(RunSummaryAnswer), next_cursor: z.string().nullable() });

@Controller('runs')
export class ListController {
  constructor(@Inject(RunLister) private readonly lister: RunLister) {}

  @Get()
  @Operation({
    id: 'listRuns',
    summary: 'Your runs, newest first',
    description:
      'Eventually consistent: `min_seq=<run_id>:<seq>` waits up to a second for the list to have that event.',
    tag: 'runs',
    access: ['runs:read', 'runs:read:all'],
    query: ListRunsQuery,
    answers: { 200: { description: 'A page of runs', schema: ListAnswer } },
    problems: ['invalid_cursor', 'views_unavailable'],
  })
  list(
    @Caller() caller: Principal,
    @Query(new SchemaPipe(ListRunsQuery, 'query')) query: ListRunsQuery,
  ): Promise<RunList> {
    return this.lister.list(caller, query);
  }
}
