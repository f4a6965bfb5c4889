import { Body, Controller, Inject, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { AgentId } from '../agents/agent-definition.ts';
import { Caller } from '../auth/access.guard.ts';
import type { Principal } from '../auth/principal.ts';
import { Operation } from '../openapi/operation.ts';
import { CONTROL_PROBLEMS } from '../problem/from-refusal.ts';
import { OpenStreams } from '../stream/open-streams.ts';
import { SchemaPipe } from '../validation/schema.pipe.ts';
import { agUiCursorOfRequest } from './ag-ui-cursor.ts';
import { AgUiRuns } from './ag-ui-runs.ts';
import { AgUiStreams } from './ag-ui-streams.ts';
import { RunAgentInput } from './run-agent-input.ts';

const AgentPath = z.strictObject({ agent_id: AgentId });
const AgUiQuery = z.strictObject({ after: z.string().optional() });

/** Agents as AG-UI clients call them. */
@Controller('agents')
export class AgUiController {
  constructor(
    @Inject(AgUiRuns) private readonly runs: AgUiRuns,
    @Inject(AgUiStreams) private readonly streams: AgUiStreams,
    @Inject(OpenStreams) private readonly openStreams: OpenStreams,
  ) {}

  @Post(':agent_id/ag-ui')
  @Operation({
    id: 'runAgentOverAgUi',
    summary: 'Start a run by AG-UI and answer with its AG-UI events',
    description:
      'The same `runId` starts one run, however often it is sent; with a cursor the stream goes on after it. ' +
      'With `resume` the approvals of a run that ended with an interrupt are decided (scope `approvals:decide`), or a ' +
      'pause is ended (`runs:control`), and its stream goes on. Closed after RUN_FINISHED or RUN_ERROR; closing it earlier changes nothing.',
    tag: 'runs',
    access: ['runs:start'],
    path: AgentPath,
    query: AgUiQuery,
    body: RunAgentInput,
    headers: { 'Last-Event-ID': '`id` of the last frame that was seen; goes before `after`' },
    answers: {
      200: {
        description: 'AG-UI events',
        contentType: 'text/event-stream',
        headers: { Location: 'The run' },
      },
      204: { description: 'The cursor is at the end of an ended run' },
    },
    problems: [
      ...CONTROL_PROBLEMS,
      'agent_not_found',
      'approval_not_found',
      'approval_already_decided',
      'run_stopping',
      'idempotency_key_reused',
      'invalid_cursor',
      'stopping',
      'too_many_streams',
    ],
  })
  async run(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(AgentPath, 'path')) { agent_id }: z.infer<typeof AgentPath>,
    @Query(new SchemaPipe(AgUiQuery, 'query')) query: z.infer<typeof AgUiQuery>,
    @Body(new SchemaPipe(RunAgentInput, 'body')) input: RunAgentInput,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { request } = reply;
    // A run that nobody can watch is not started by this call.
    this.openStreams.refuseIfFull(caller);
    const cursor = agUiCursorOfRequest(request.headers['last-event-id'], query.after);
    const place = await this.runs.placeOf(caller, agent_id, input, cursor);
    void reply.header('location', `/runs/${place.address.run_id}`);
    if (place.replayed) void reply.header('idempotency-replayed', 'true');
    await this.streams.open({ caller, ...place, oneRun: true }, request, reply);
  }
}
