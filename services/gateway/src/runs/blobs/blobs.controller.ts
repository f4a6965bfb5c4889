import { Controller, Get, Inject, Param, StreamableFile } from '@nestjs/common';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { z } from 'zod';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { Problem } from '../../problem/problem.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { RunAccess } from '../load-run-for.ts';
import { RunId } from '../run-path.ts';

const BlobPath = z.strictObject({
  run_id: RunId,
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex'),
});
type BlobPath = z.infer<typeof BlobPath>;

@Controller('runs')
export class BlobsController {
  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(RunAccess) private readonly access: RunAccess,
  ) {}

  @Get(':run_id/blobs/:sha256')
  @Operation({
    id: 'getBlob',
    summary: 'A value that an event keeps by reference',
    tag: 'runs',
    access: ['runs:read', 'runs:read:all'],
    path: BlobPath,
    answers: { 200: { description: 'The JSON text of the value', schema: z.unknown() } },
    problems: ['run_not_found', 'run_erased', 'blob_not_found', 'log_unavailable'],
  })
  async get(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(BlobPath, 'path')) path: BlobPath,
  ): Promise<StreamableFile> {
    const { address } = await this.access.loadRunFor(caller, path.run_id, 'read');
    const text = await this.context.runLog.getBlob(address, path.sha256);
    if (text === undefined) throw new Problem('blob_not_found', `The run has no value ${path.sha256}.`);
    return new StreamableFile(Buffer.from(text), { type: 'application/json; charset=utf-8' });
  }
}
