import { Inject, Injectable } from '@nestjs/common';
import { scheduleKey, scheduleStateKey, type Schedule, type ScheduleState } from '@runledger/wire';
import { Buckets } from '../broker/buckets.ts';
import { Problem } from '../problem/problem.ts';

const ATTEMPTS = 8;
const SCANNED_AT_ONCE = 50;

export interface ScheduleRow {
  schedule: Schedule;
  state: ScheduleState | undefined;
  /** Of the definition: the place in the list. */
  revision: number;
}

/** Schedules in their bucket: the definition is the gateway's, the state is the run-scheduler's. */
@Injectable()
export class ScheduleRecords {
  constructor(@Inject(Buckets) private readonly buckets: Buckets) {}

  async read(tenantId: string, scheduleId: string): Promise<ScheduleRow | undefined> {
    const [definition, state] = await Promise.all([
      this.buckets.get('schedules', scheduleKey(tenantId, scheduleId)),
      this.buckets.get('schedules', scheduleStateKey(tenantId, scheduleId)),
    ]);
    return (
      definition && {
        schedule: JSON.parse(definition.text) as Schedule,
        state: state && (JSON.parse(state.text) as ScheduleState),
        revision: definition.revision,
      }
    );
  }

  /** Answers false when there is one of this id. */
  create(schedule: Schedule): Promise<boolean> {
    const key = scheduleKey(schedule.tenant_id, schedule.schedule_id);
    return this.buckets.create('schedules', key, JSON.stringify(schedule));
  }

  /** Rewrites it with what `change` makes of it, which is asked again when another was faster. */
  async change(
    tenantId: string,
    scheduleId: string,
    change: (schedule: Schedule) => Schedule,
  ): Promise<ScheduleRow | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const row = await this.read(tenantId, scheduleId);
      if (!row) return undefined;
      const schedule = change(row.schedule);
      const text = JSON.stringify(schedule);
      if (await this.buckets.update('schedules', scheduleKey(tenantId, scheduleId), text, row.revision))
        return { ...row, schedule };
    }
    throw new Problem('too_much_contention', `The schedule ${scheduleId} is changed by many at once.`);
  }

  delete(tenantId: string, scheduleId: string): Promise<void> {
    return this.buckets.delete('schedules', scheduleKey(tenantId, scheduleId));
  }

  /** Whether the tenant has so many. */
  async hasAsMany(tenantId: string, most: number): Promise<boolean> {
    const filter = `def.${tenantId}.*`;
    // The exact count reads every definition.
    if ((await this.buckets.countWithDeleted('schedules', filter)) < most) return false;
    return (await this.buckets.scan('schedules', filter, 0, most)).length >= most;
  }

  /** Those of a tenant in the order of their last change, after a revision. */
  async *each(tenantId: string, after: number): AsyncIterable<ScheduleRow> {
    for (let from = after; ;) {
      const filter = `def.${tenantId}.*`;
      const page = await this.buckets.scan('schedules', filter, from, SCANNED_AT_ONCE);
      if (page.length === 0) return;
      const ids = page.map(({ key }) => key.split('.').at(-1) ?? '');
      const rows = await Promise.all(ids.map((id) => this.read(tenantId, id)));
      for (const row of rows) if (row) yield row;
      from = page.at(-1)?.revision ?? from;
    }
  }
}
