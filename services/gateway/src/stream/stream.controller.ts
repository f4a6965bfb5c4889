import { Controller, Get, Inject, Param, Query, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { agUiCursorOfRequest } from '../ag-ui/ag-ui-cursor.ts';
import { AgUiStreams } from '../ag-ui/ag-ui-streams.ts';
import { Caller } from '../auth/access.guard.ts';
import type { Principal } from '../auth/principal.ts';
import { Operation } from '../openapi/operation.ts';
import { invalid } from '../problem/problem.ts';
import { SchemaPipe } from '../validation/schema.pipe.ts';
import { cursorOf } from '../runs/cursor.ts';
import { RunAccess } from '../runs/load-run-for.ts';
import { RunPath } from '../runs/run-path.ts';
import { typeFilterOf } from './commit-frames.ts';
import { RunStreams } from './run-streams.ts';
import { RunWatcher } from './run-watcher.ts';
import { SnapshotFrames } from './snapshot/snapshot-frames.ts';
import { TypeList } from './type-list.ts';

const StreamQuery = z.strictObject({
  after: z.string().optional(),
  types: TypeList.optional(),
  snapshot: z
    .enum(['true'])
    .optional()
    .meta({ description: 'Begin with the state of the run as it is, instead of with its first event' }),
  format: z.enum(['ag-ui']).optional().meta({ description: 'AG-UI events instead of our own' }),
});
type StreamQuery = z.infer<typeof StreamQuery>;

@Controller('runs')
export class StreamController {
  constructor(
    @Inject(RunAccess) private readonly access: RunAccess,
    @Inject(RunWatcher) private readonly watcher: RunWatcher,
    @Inject(RunStreams) private readonly streams: RunStreams,
    @Inject(SnapshotFrames) private readonly snapshots: SnapshotFrames,
    @Inject(AgUiStreams) private readonly agUi: AgUiStreams,
  ) {}

  @Get(':run_id/stream')
  @Operation({
    id: 'streamRun',
    summary:
      'Every event after a cursor as SSE: replay, then live, closed after the last event of an ended run',
    description:
      '`id` is the number of the event, `data` its stored line, byte for byte the same for everyone and every time. ' +
      'With `snapshot=true` and no cursor the first frame is `event: snapshot`: `{seq, run, messages, messages_dropped}` after event `seq`.',
    tag: 'runs',
    access: ['runs:read', 'runs:read:all'],
    path: RunPath,
    query: StreamQuery,
    headers: { 'Last-Event-ID': 'Number of the last event that was seen; goes before `after`' },
    answers: {
      200: { description: 'The stream', contentType: 'text/event-stream' },
      204: { description: 'The cursor is at the last event of an ended run' },
    },
    problems: [
      'run_not_found',
      'run_erased',
      'invalid_cursor',
      'log_unavailable',
      'stopping',
      'too_many_streams',
    ],
  })
  async stream(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(RunPath, 'path')) path: RunPath,
    @Query(new SchemaPipe(StreamQuery, 'query')) query: StreamQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (query.format === 'ag-ui') return this.#agUi(caller, path, query, request, reply);
    // A browser that reconnects asks for the same address: it goes on where it was.
    const isJoining = query.snapshot !== undefined && request.headers['last-event-id'] === undefined;
    if (isJoining) return this.#fromSnapshot(caller, path, query, request, reply);
    const after = cursorOfRequest(request.headers['last-event-id'], query);
    const { address } = await this.access.loadRunFor(caller, path.run_id, 'read');
    const stand = await this.watcher.standOf(address, after);
    if (stand.ended && after === stand.lastSeq) {
      await reply.code(204).send();
      return;
    }
    const filter = typeFilterOf(query.types);
    this.streams.open({ caller, address, after, filter, stand }, request, reply);
  }

  async #fromSnapshot(
    caller: Principal,
    { run_id }: RunPath,
    query: StreamQuery,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    if (query.after !== undefined)
      throw invalid([{ in: 'query', pointer: '/after', detail: 'is not for a stream with a snapshot' }]);
    const { address } = await this.access.loadRunFor(caller, run_id, 'read');
    const snapshot = await this.snapshots.of(address);
    const stand = await this.watcher.standOf(address, snapshot.seq);
    const filter = typeFilterOf(query.types);
    const stream = { caller, address, after: snapshot.seq, filter, stand, prelude: snapshot.text };
    this.streams.open(stream, request, reply);
  }

  async #agUi(
    caller: Principal,
    { run_id }: RunPath,
    query: StreamQuery,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    if (query.types !== undefined)
      throw invalid([{ in: 'query', pointer: '/types', detail: 'is not for the format ag-ui' }]);
    if (query.snapshot !== undefined)
      throw invalid([{ in: 'query', pointer: '/snapshot', detail: 'is not for the format ag-ui' }]);
    const after = agUiCursorOfRequest(request.headers['last-event-id'], query.after) ?? { seq: 0 };
    const { address } = await this.access.loadRunFor(caller, run_id, 'read');
    await this.agUi.open({ caller, address, after, oneRun: false }, request, reply);
  }
}

/** A browser that reconnects sends the header; it knows better than the address it was given first. */
function cursorOfRequest(lastEventId: string | string[] | undefined, query: StreamQuery): number {
  if (lastEventId === undefined) return cursorOf(query.after ?? '0', { in: 'query', pointer: '/after' });
  return cursorOf(String(lastEventId), { in: 'header', pointer: '/last-event-id' });
}
