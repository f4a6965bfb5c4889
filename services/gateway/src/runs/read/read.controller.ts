import { Controller, Get, Headers, Inject, Param, Query, Res } from '@nestjs/common';
import type { RunView } from '@runledger/run-views';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { RunAccess } from '../load-run-for.ts';
import { RunPath, Whole } from '../run-path.ts';
import { presentRun, RunAnswer } from './run-answer.ts';
import { RunReader } from './run-reader.ts';

const ReadQuery = z.strictObject({ at: Whole(1, Number.MAX_SAFE_INTEGER).optional() });
type ReadQuery = z.infer<typeof ReadQuery>;

@Controller('runs')
export class ReadController {
  constructor(
    @Inject(RunAccess) private readonly access: RunAccess,
    @Inject(RunReader) private readonly reader: RunReader,
  ) {}

  @Get(':run_id')
  @Operation({
    id: 'getRun',
    summary: 'The whole run, never stale; with `at`, as it was after that event',
    tag: 'runs',
    access: ['runs:read', 'runs:read:all'],
    path: RunPath,
    query: ReadQuery,
    headers: { 'If-None-Match': 'The ETag of an earlier answer' },
    answers: {
      200: { description: 'The run', schema: RunAnswer, headers: { ETag: "The run's digest" } },
      304: { description: 'Not changed since that ETag' },
    },
    problems: ['run_not_found', 'run_erased', 'invalid_cursor', 'log_unavailable'],
  })
  async get(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(RunPath, 'path')) path: RunPath,
    @Query(new SchemaPipe(ReadQuery, 'query')) query: ReadQuery,
    @Headers('if-none-match') known: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Record<string, unknown> | undefined> {
    const { address } = await this.access.loadRunFor(caller, path.run_id, 'read');
    const view =
      query.at === undefined ? await this.reader.now(address) : await this.reader.at(address, query.at);
    const position = query.at === undefined ? await this.reader.queuePosition(view) : null;
    const etag = etagOf(view, position);
    void reply.header('etag', etag).header('cache-control', 'private, no-cache');
    if (known?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)) {
      void reply.code(304);
      return undefined;
    }
    return presentRun(view, position);
  }
}

/** A queued run's place changes without an event. */
const etagOf = (view: RunView, position: number | null): string =>
  position === null ? `"${view.digest}"` : `"${view.digest}-${position}"`;
