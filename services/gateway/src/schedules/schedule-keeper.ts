import { Inject, Injectable } from '@nestjs/common';
import type { Json } from '@runledger/run';
import { scheduleIdFor, type Schedule } from '@runledger/wire';
import { AgentCatalogue } from '../agents/agent-catalogue.ts';
import { allows, type Principal } from '../auth/principal.ts';
import { newUlid } from '../http/new-ulid.ts';
import { bodyFingerprint, reservationKey } from '../idempotency/idempotency-key.ts';
import { type FieldFault, invalid, Problem } from '../problem/problem.ts';
import { type ScheduleRow, ScheduleRecords } from './schedule-records.ts';
import type { ChangeScheduleRequest, CreateScheduleRequest, ListSchedulesQuery } from './schedule-request.ts';

export const MOST_SCHEDULES_OF_A_TENANT = 1_000;
const DEFAULT_PAGE = 50;

/** What people do with schedules. Nobody reaches one of another tenant; one of another user needs `admin`. */
@Injectable()
export class ScheduleKeeper {
  constructor(
    @Inject(AgentCatalogue) private readonly agents: AgentCatalogue,
    @Inject(ScheduleRecords) private readonly records: ScheduleRecords,
  ) {}

  /** Under an idempotency key the schedule has always the same id, so that a repeat meets the one it made. */
  async create(
    caller: Principal,
    request: CreateScheduleRequest,
    idempotencyKey: string | undefined,
  ): Promise<{ row: ScheduleRow; replayed: boolean }> {
    refuseOtherAgents(caller, request.agent_id);
    const key = idempotencyKey === undefined ? undefined : reservationKey(caller, idempotencyKey);
    const schedule = newSchedule(caller, request, key);
    const earlier = key === undefined ? undefined : await this.#earlier(schedule);
    if (earlier) return { row: earlier, replayed: true };
    await this.#refuseUnknownAgent(caller, request.agent_id);
    if (await this.records.hasAsMany(caller.tenant_id, MOST_SCHEDULES_OF_A_TENANT))
      throw new Problem(
        'too_many_schedules',
        `A tenant has at most ${MOST_SCHEDULES_OF_A_TENANT} schedules.`,
      );
    if (await this.records.create(schedule))
      return { row: { schedule, state: undefined, revision: 0 }, replayed: false };
    const made = await this.#earlier(schedule);
    if (made) return { row: made, replayed: true };
    throw new Problem('outcome_unknown', 'The schedule could not be stored. Repeat the request.');
  }

  /** In the order of their last change; the cursor is the place in that order. */
  async list(
    caller: Principal,
    query: ListSchedulesQuery,
  ): Promise<{ rows: ScheduleRow[]; next_cursor: string | null }> {
    const { limit = DEFAULT_PAGE, cursor = '0', agent_id } = query;
    const rows: ScheduleRow[] = [];
    for await (const row of this.records.each(caller.tenant_id, Number(cursor))) {
      if (faultOfUse(caller, row.schedule, 'read') !== undefined) continue;
      if (agent_id !== undefined && row.schedule.agent_id !== agent_id) continue;
      if (rows.length === limit) return { rows, next_cursor: String(rows.at(-1)?.revision ?? '') };
      rows.push(row);
    }
    return { rows, next_cursor: null };
  }

  async read(caller: Principal, scheduleId: string): Promise<ScheduleRow> {
    return this.#use(caller, scheduleId, 'read');
  }

  async change(caller: Principal, scheduleId: string, change: ChangeScheduleRequest): Promise<ScheduleRow> {
    if (Object.keys(change).length === 0)
      throw invalid([{ in: 'body', pointer: '', detail: 'name at least one field to change' }]);
    await this.#use(caller, scheduleId, 'change');
    if (change.agent_id !== undefined) {
      refuseOtherAgents(caller, change.agent_id);
      await this.#refuseUnknownAgent(caller, change.agent_id);
    }
    const row = await this.records.change(caller.tenant_id, scheduleId, (schedule) =>
      changed(schedule, change),
    );
    return row ?? Promise.reject(noSuchSchedule(scheduleId));
  }

  async delete(caller: Principal, scheduleId: string): Promise<void> {
    await this.#use(caller, scheduleId, 'change');
    await this.records.delete(caller.tenant_id, scheduleId);
  }

  async #use(caller: Principal, scheduleId: string, purpose: 'read' | 'change'): Promise<ScheduleRow> {
    const row = await this.records.read(caller.tenant_id, scheduleId);
    if (!row) throw noSuchSchedule(scheduleId);
    const fault = faultOfUse(caller, row.schedule, purpose);
    if (fault !== undefined) throw new Problem('forbidden', fault);
    return row;
  }

  async #earlier({ tenant_id, schedule_id, request_sha256 }: Schedule): Promise<ScheduleRow | undefined> {
    const row = await this.records.read(tenant_id, schedule_id);
    if (row && row.schedule.request_sha256 !== request_sha256)
      throw new Problem(
        'idempotency_key_reused',
        'This idempotency key was used for a schedule with another body.',
        { errors: [{ in: 'header', pointer: '/idempotency-key', detail: 'used with another body' }] },
      );
    return row;
  }

  async #refuseUnknownAgent(caller: Principal, agentId: string): Promise<void> {
    try {
      await this.agents.get(caller.tenant_id, agentId);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'agent_not_found') throw error;
      throw new Problem(error.code, error.message, { errors: [atAgent('there is no such agent')] });
    }
  }
}

function newSchedule(
  { tenant_id, user_id }: Principal,
  request: CreateScheduleRequest,
  key: string | undefined,
): Schedule {
  const now = new Date().toISOString();
  return {
    ...request,
    input: (request.input ?? null) as Json,
    schedule_id: key === undefined ? newUlid() : scheduleIdFor(key),
    tenant_id,
    user_id,
    since: now,
    created_at: now,
    updated_at: now,
    ...(key === undefined ? {} : { request_sha256: bodyFingerprint(request) }),
  };
}

/** Times before a change of the times, or before it was resumed, are nobody's: they are not caught up with. */
function changed(schedule: Schedule, change: ChangeScheduleRequest): Schedule {
  const now = new Date().toISOString();
  const sent = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
  const next: Schedule = { ...schedule, ...sent, updated_at: now };
  const otherTimes = next.cron !== schedule.cron || next.time_zone !== schedule.time_zone;
  const resumed = next.enabled && !schedule.enabled;
  return otherTimes || resumed ? { ...next, since: now } : next;
}

/** Why the caller may not use it; `undefined`: it may. */
function faultOfUse(caller: Principal, schedule: Schedule, purpose: 'read' | 'change'): string | undefined {
  if (caller.agent_id !== undefined && caller.agent_id !== schedule.agent_id)
    return `This credential is of the agent ${caller.agent_id} only.`;
  if (schedule.user_id === caller.user_id || caller.scopes.has('admin')) return undefined;
  if (purpose === 'read' && allows(caller, 'runs:read:all')) return undefined;
  return "This schedule is another user's.";
}

function refuseOtherAgents(caller: Principal, agentId: string): void {
  if (caller.agent_id === undefined || caller.agent_id === agentId) return;
  throw new Problem('forbidden', `This credential may start the agent ${caller.agent_id} only.`, {
    errors: [atAgent(`must be ${caller.agent_id}`)],
  });
}

const atAgent = (detail: string): FieldFault => ({ in: 'body', pointer: '/agent_id', detail });

const noSuchSchedule = (id: string): Problem =>
  new Problem('schedule_not_found', `There is no schedule ${id}.`);
