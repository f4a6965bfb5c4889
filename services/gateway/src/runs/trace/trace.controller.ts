import { Controller, Get, Inject, Param, StreamableFile } from '@nestjs/common';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { RunAccess } from '../load-run-for.ts';
import { RunPath } from '../run-path.ts';
import { RunTraces } from './run-traces.ts';

const GZIP = 'application/gzip';

@Controller('runs')
export class TraceController {
  constructor(
    @Inject(RunAccess) private readonly access: RunAccess,
    @Inject(RunTraces) private readonly traces: RunTraces,
  ) {}

  @Get(':run_id/trace')
  @Operation({
    id: 'getTrace',
    summary: 'Everything that a run has now, as a file that proves itself',
    description:
      "Gzip NDJSON: a header `{trace, run_id, seq, digest}`, then each stored line with the run's digest after it as its last field.",
    tag: 'runs',
    access: ['runs:read', 'runs:read:all'],
    path: RunPath,
    answers: {
      200: {
        description: 'The trace',
        contentType: GZIP,
        headers: { 'Content-Disposition': 'A name for the file' },
      },
    },
    problems: ['run_not_found', 'run_erased', 'log_unavailable'],
  })
  async trace(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(RunPath, 'path')) { run_id }: RunPath,
  ): Promise<StreamableFile> {
    const { address } = await this.access.loadRunFor(caller, run_id, 'read');
    const disposition = `attachment; filename="${run_id}.ndjson.gz"`;
    return new StreamableFile(await this.traces.open(address), { type: GZIP, disposition });
  }
}
