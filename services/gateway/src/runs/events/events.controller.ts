import { Controller, Get, Headers, Inject, Param, Query, Res, StreamableFile } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { cursorOf } from '../cursor.ts';
import { RunAccess } from '../load-run-for.ts';
import { RunPath, Whole } from '../run-path.ts';
import { EventPages } from './event-pages.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
const NDJSON = 'application/x-ndjson';
const PAGE_LIMIT = 1_000;
const EventsQuery = z.strictObject({ after: z.string().optional(), limit: Whole(1, PAGE_LIMIT).optional() });
type EventsQuery = z.infer<typeof EventsQuery>;

const EventsAnswer = z.object({
  events: z.array(
    z.looseObject({
      seq: z.int(),
      type: z.string(),
      at: z.string(),
      run_id: z.string(),
      attempt: z.int(),
      data: z.unknown(),
    }),
  ),
  next_after: z.int(),
  has_more: z.boolean(),
});

@Controller('runs')
export class EventsController {
  constructor(
    @Inject(RunAccess) private readonly access: RunAccess,
    @Inject(EventPages) private readonly pages: EventPages,
  ) {}

  @Get(':run_id/events')
  @Operation({
    id: 'listEvents',
    summary:
      'Stored events after a cursor; with `Accept: application/x-ndjson` the stored lines, byte for byte',
    tag: 'runs',
    access: ['runs:read', 'runs:read:all'],
    path: RunPath,
    query: EventsQuery,
    headers: {
      Accept: 'application/json (default) or application/x-ndjson, which without a limit sends all lines',
    },
    answers: { 200: { description: 'A page of events', schema: EventsAnswer } },
    problems: ['run_not_found', 'run_erased', 'invalid_cursor', 'log_unavailable'],
  })
  async events(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(RunPath, 'path')) path: RunPath,
    @Query(new SchemaPipe(EventsQuery, 'query')) query: EventsQuery,
    @Headers('accept') accept: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | StreamableFile> {
    const after = cursorOf(query.after ?? '0', { in: 'query', pointer: '/after' });
    const { address } = await this.access.loadRunFor(caller, path.run_id, 'read');
    if (!accept?.includes(NDJSON)) {
      void reply.type(JSON_TYPE);
      return this.pages.page(address, after, query.limit ?? PAGE_LIMIT);
    }
    return new StreamableFile(await this.pages.lines(address, after, query.limit ?? Infinity), {
      type: NDJSON,
    });
  }
}
