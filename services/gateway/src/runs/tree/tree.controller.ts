import { Controller, Get, Header, Inject, Param } from '@nestjs/common';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { RunAccess } from '../load-run-for.ts';
import { RunPath } from '../run-path.ts';
import { RunTree } from './run-tree.ts';
import { TreeAnswer } from './tree-answer.ts';

@Controller('runs')
export class TreeController {
  constructor(
    @Inject(RunAccess) private readonly access: RunAccess,
    @Inject(RunTree) private readonly tree: RunTree,
  ) {}

  @Get(':run_id/tree')
  @Header('cache-control', 'private, no-cache')
  @Operation({
    id: 'getRunTree',
    summary: 'A run and those below it: the status and stop receipt of each, and what it waits for',
    description: 'At most 8 levels below the run, and 1,000 runs; `truncated` says when there are more.',
    tag: 'runs',
    access: ['runs:read', 'runs:read:all'],
    path: RunPath,
    answers: { 200: { description: 'The tree as it is now', schema: TreeAnswer } },
    problems: ['run_not_found', 'run_erased', 'log_unavailable'],
  })
  async get(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(RunPath, 'path')) path: RunPath,
  ): Promise<TreeAnswer> {
    const { address } = await this.access.loadRunFor(caller, path.run_id, 'read');
    return this.tree.below(address);
  }
}
