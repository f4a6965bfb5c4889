import {
  Body,
  Controller,
  Delete,
  Get,
  Headers,
  Inject,
  Param,
  Patch,
  Post,
  Query,
  Res,
} from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Caller } from '../auth/access.guard.ts';
import type { Principal } from '../auth/principal.ts';
import { idempotencyKeyOf } from '../idempotency/idempotency-key.ts';
import { Operation } from '../openapi/operation.ts';
import { SchemaPipe } from '../validation/schema.pipe.ts';
import {
  presentSchedule,
  ScheduleAnswer as ScheduleSchema,
  type ScheduleAnswer,
  ScheduleListAnswer as ScheduleListSchema,
  type ScheduleListAnswer,
} from './schedule-answer.ts';
import { ScheduleKeeper } from './schedule-keeper.ts';
import {
  ChangeScheduleRequest,
  CreateScheduleRequest,
  ListSchedulesQuery,
  SchedulePath,
} from './schedule-request.ts';

@Controller('schedules')
export class SchedulesController {
  constructor(@Inject(ScheduleKeeper) private readonly keeper: ScheduleKeeper) {}

  @Post()
  @Operation({
    id: 'createSchedule',
    summary: 'Start runs of an agent at times that a cron expression names',
    description: 'The runs are yours, go on when the credential has ended, and have the label schedule_id.',
    tag: 'schedules',
    access: ['runs:start'],
    body: CreateScheduleRequest,
    headers: { 'Idempotency-Key': '1-255 visible ASCII characters: the same key and body make one schedule' },
    answers: {
      201: { description: 'The schedule', schema: ScheduleSchema, headers: { Location: 'The schedule' } },
      200: {
        description: 'The schedule that this idempotency key made before, as it is now',
        schema: ScheduleSchema,
        headers: { Location: 'The schedule', 'Idempotency-Replayed': 'true' },
      },
    },
    problems: [
      'agent_not_found',
      'too_many_schedules',
      'idempotency_key_reused',
      'log_unavailable',
      'log_full',
      'outcome_unknown',
    ],
  })
  async create(
    @Caller() caller: Principal,
    @Body(new SchemaPipe(CreateScheduleRequest, 'body')) body: CreateScheduleRequest,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ScheduleAnswer> {
    const { row, replayed } = await this.keeper.create(caller, body, idempotencyKeyOf(key));
    void reply.code(replayed ? 200 : 201).header('location', `/schedules/${row.schedule.schedule_id}`);
    if (replayed) void reply.header('idempotency-replayed', 'true');
    return presentSchedule(row.schedule, row.state);
  }

  @Get()
  @Operation({
    id: 'listSchedules',
    summary: 'Your schedules, without their input; with `admin` or `runs:read:all`, those of the tenant',
    tag: 'schedules',
    access: ['runs:start', 'runs:read', 'runs:read:all'],
    query: ListSchedulesQuery,
    answers: {
      200: { description: 'A page of schedules, the last changed one last', schema: ScheduleListSchema },
    },
    problems: ['log_unavailable'],
  })
  async list(
    @Caller() caller: Principal,
    @Query(new SchemaPipe(ListSchedulesQuery, 'query')) query: ListSchedulesQuery,
  ): Promise<ScheduleListAnswer> {
    const { rows, next_cursor } = await this.keeper.list(caller, query);
    const schedules = rows.map(({ schedule, state }) => {
      const { input: _input, ...row } = presentSchedule(schedule, state);
      return row;
    });
    return { schedules, next_cursor };
  }

  @Get(':schedule_id')
  @Operation({
    id: 'getSchedule',
    summary: 'One schedule, when it is due next, and what became of the last time',
    tag: 'schedules',
    access: ['runs:start', 'runs:read', 'runs:read:all'],
    path: SchedulePath,
    answers: { 200: { description: 'The schedule', schema: ScheduleSchema } },
    problems: ['schedule_not_found', 'log_unavailable'],
  })
  async read(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(SchedulePath, 'path')) path: SchedulePath,
  ): Promise<ScheduleAnswer> {
    const { schedule, state } = await this.keeper.read(caller, path.schedule_id);
    return presentSchedule(schedule, state);
  }

  @Patch(':schedule_id')
  @Operation({
    id: 'changeSchedule',
    summary: 'Change what is named of a schedule; `enabled` pauses and resumes it',
    description: 'Times before the change of cron or time_zone, or before it is resumed, start nothing.',
    tag: 'schedules',
    access: ['runs:start'],
    path: SchedulePath,
    body: ChangeScheduleRequest,
    answers: { 200: { description: 'The schedule as it is now', schema: ScheduleSchema } },
    problems: [
      'schedule_not_found',
      'agent_not_found',
      'too_much_contention',
      'log_unavailable',
      'log_full',
      'outcome_unknown',
    ],
  })
  async change(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(SchedulePath, 'path')) path: SchedulePath,
    @Body(new SchemaPipe(ChangeScheduleRequest, 'body')) body: ChangeScheduleRequest,
  ): Promise<ScheduleAnswer> {
    const { schedule, state } = await this.keeper.change(caller, path.schedule_id, body);
    return presentSchedule(schedule, state);
  }

  @Delete(':schedule_id')
  @Operation({
    id: 'deleteSchedule',
    summary: 'Delete a schedule; the runs that it started stay',
    tag: 'schedules',
    access: ['runs:start'],
    path: SchedulePath,
    answers: { 204: { description: 'It starts no more runs' } },
    problems: ['schedule_not_found', 'log_unavailable', 'outcome_unknown'],
  })
  async delete(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(SchedulePath, 'path')) path: SchedulePath,
  ): Promise<void> {
    await this.keeper.delete(caller, path.schedule_id);
  }
}
