import { Controller, Get, Inject, Query, Req, Res } from '@nestjs/common';
import { isId } from '@runledger/wire';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Caller } from '../../auth/access.guard.ts';
import type { Principal } from '../../auth/principal.ts';
import { Operation } from '../../openapi/operation.ts';
import { invalid, Problem } from '../../problem/problem.ts';
import { SchemaPipe } from '../../validation/schema.pipe.ts';
import { typeFilterOf } from '../commit-frames.ts';
import { TypeList } from '../type-list.ts';
import { ManyStreams, type Place } from './many-streams.ts';
import { OwnRuns } from './own-runs.ts';
import { MOST_RUNS, RunCursors } from './run-cursors.ts';

/** `runs=<run_id>:<after>,<run_id>`, each once. */
const RunList = z
  .string()
  .refine(
    isRunList,
    `must be a comma list of <run_id> or <run_id>:<after>, each run once, at most ${MOST_RUNS}`,
  )
  .transform((text) => new Map(text.split(',').map(entryOf)));

const ManyQuery = z.strictObject({
  runs: RunList.optional(),
  mine: z.enum(['true']).optional().meta({ description: 'Your runs in flight, and those that begin later' }),
  after: z.string().optional(),
  types: TypeList.optional(),
});
type ManyQuery = z.infer<typeof ManyQuery>;

@Controller('stream')
export class ManyController {
  constructor(
    @Inject(ManyStreams) private readonly streams: ManyStreams,
    @Inject(OwnRuns) private readonly ownRuns: OwnRuns,
  ) {}

  @Get()
  @Operation({
    id: 'streamRuns',
    summary: 'Events of many runs on one connection as SSE',
    description:
      '`id` is a token that carries the cursor of every run; it is taken back as `Last-Event-ID`, and goes before `runs`. ' +
      '`data` is the stored line. With `runs` the stream is closed after the last event of the last run.',
    tag: 'runs',
    access: ['runs:read', 'runs:read:all'],
    query: ManyQuery,
    headers: { 'Last-Event-ID': '`id` of the last frame that was seen; goes before `after`' },
    answers: {
      200: { description: 'The stream', contentType: 'text/event-stream' },
      204: { description: 'Every run has ended, and every cursor is at its last event' },
    },
    problems: [
      'run_not_found',
      'run_erased',
      'invalid_cursor',
      'log_unavailable',
      'views_unavailable',
      'stopping',
      'too_many_streams',
    ],
  })
  async stream(
    @Caller() caller: Principal,
    @Query(new SchemaPipe(ManyQuery, 'query')) query: ManyQuery,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const token = tokenOf(request.headers['last-event-id'], query.after);
    const mine = query.mine !== undefined;
    if (mine && query.runs)
      throw invalid([{ in: 'query', pointer: '/runs', detail: 'either runs or mine=true' }]);
    const cursors = token ?? new RunCursors();
    const places = mine
      ? await this.#own(caller, cursors, token !== undefined)
      : await this.#named(caller, query.runs, token);
    if (!mine && places.every(({ stand, after }) => stand.ended && after === stand.lastSeq)) {
      await reply.code(204).send();
      return;
    }
    const filter = typeFilterOf(query.types);
    this.streams.open({ caller, cursors: cursors.only(places), places, filter, mine }, request, reply);
  }

  #named(
    caller: Principal,
    runs: Map<string, number> | undefined,
    token: RunCursors | undefined,
  ): Promise<Place[]> {
    const named = runs ?? new Map(token ?? []);
    if (named.size === 0)
      throw invalid([{ in: 'query', pointer: '/runs', detail: 'runs or mine=true must be given' }]);
    return Promise.all(
      [...named].map(([runId, after]) => this.streams.placeOf(caller, runId, token?.get(runId) ?? after)),
    );
  }

  async #own(caller: Principal, cursors: RunCursors, isResumed: boolean): Promise<Place[]> {
    const found = isResumed
      ? await this.ownRuns.newOnes(caller, cursors)
      : await this.ownRuns.inFlight(caller, cursors);
    const runs = new Map([...cursors, ...found.map((runId): [string, number] => [runId, 0])]);
    return this.streams.placesThatAre(caller, [...runs].slice(0, MOST_RUNS));
  }
}

function isRunList(text: string): boolean {
  const entries = text.split(',');
  const ids = entries.map((entry) => entry.replace(/:\d{1,15}$/, ''));
  return ids.every((id) => isId('run_id', id)) && new Set(ids).size === ids.length && ids.length <= MOST_RUNS;
}

const entryOf = (entry: string): [string, number] => {
  const [runId = '', after = '0'] = entry.split(':');
  return [runId, Number(after)];
};

function tokenOf(
  lastEventId: string | string[] | undefined,
  after: string | undefined,
): RunCursors | undefined {
  const text = lastEventId === undefined ? after : String(lastEventId);
  if (text === undefined) return undefined;
  const cursors = RunCursors.parse(text);
  if (cursors) return cursors;
  const place =
    lastEventId === undefined
      ? ({ in: 'query', pointer: '/after' } as const)
      : ({ in: 'header', pointer: '/last-event-id' } as const);
  throw new Problem('invalid_cursor', 'The cursor of a stream of many runs is the id of one of its frames.', {
    errors: [{ ...place, detail: 'is no such id' }],
  });
}
