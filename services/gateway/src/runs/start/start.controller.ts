import { Body, Controller, Headers, Inject, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { idempotencyKeyOf } from '../../idempotency/idempotency-key.ts';
import { Operation, type OperationOptions } from '../../openapi/operation.ts';
import { OpenStreams } from '../../stream/open-streams.ts';
import { RunStreams } from '../../stream/run-streams.ts';
import { RunWatcher } from '../../stream/run-watcher.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { RunStarter } from './run-starter.ts';
import { StartAnswer, StartRequest } from './start-request.ts';

const startOperation = {
  tag: 'runs',
  access: ['runs:start'],
  body: StartRequest,
  headers: { 'Idempotency-Key': '1-255 visible ASCII characters: the same key and body start one run' },
  problems: [
    'agent_not_found',
    'run_erased',
    'idempotency_key_reused',
    'log_unavailable',
    'log_full',
    'outcome_unknown',
  ],
} satisfies Partial<OperationOptions>;

@Controller('agents/run-code')
export class StartController {
  constructor(
    @Inject(RunStarter) private readonly starter: RunStarter,
    @Inject(RunWatcher) private readonly watcher: RunWatcher,
    @Inject(RunStreams) private readonly streams: RunStreams,
    @Inject(OpenStreams) private readonly openStreams: OpenStreams,
  ) {}

  @Post('start')
  @Operation({
    ...startOperation,
    id: 'startRun',
    summary: 'Start a run and return at once',
    answers: {
      202: { description: 'The run is on disk', schema: StartAnswer, headers: { Location: 'The run' } },
      200: {
        description: 'The run that this idempotency key started before',
        schema: StartAnswer,
        headers: { Location: 'The run', 'Idempotency-Replayed': 'true' },
      },
    },
  })
  async start(
    @Caller() caller: Principal,
    @Body(new SchemaPipe(StartRequest, 'body')) body: StartRequest,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<StartAnswer> {
    const { answer, replayed } = await this.starter.start(caller, body, idempotencyKeyOf(key));
    void reply.code(replayed ? 200 : 202).header('location', `/runs/${answer.run_id}`);
    if (replayed) void reply.header('idempotency-replayed', 'true');
    return answer;
  }

  @Post('stream')
  @Operation({
    ...startOperation,
    id: 'startRunAndStream',
    summary: "Start a run and answer with its stream; closing the stream doesn't change the run",
    access: ['runs:start'],
    problems: [...startOperation.problems, 'stopping', 'too_many_streams'],
    answers: {
      200: {
        description: "The run's stream from its first event, which carries run_id",
        contentType: 'text/event-stream',
      },
    },
  })
  async stream(
    @Caller() caller: Principal,
    @Body(new SchemaPipe(StartRequest, 'body')) body: StartRequest,
    @Headers('idempotency-key') key: string | undefined,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    // A run that nobody can watch is not started by this call.
    this.openStreams.refuseIfFull(caller);
    const { address, replayed } = await this.starter.start(caller, body, idempotencyKeyOf(key));
    void reply.header('location', `/runs/${address.run_id}`);
    if (replayed) void reply.header('idempotency-replayed', 'true');
    const stand = replayed ? await this.watcher.standOf(address, 0) : { lastSeq: 0, ended: false };
    this.streams.open({ caller, address, after: 0, filter: undefined, stand }, request, reply);
  }
}
