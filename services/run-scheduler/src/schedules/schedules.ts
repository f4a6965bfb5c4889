/**
 * Owns: the times at which runs start by themselves. Each schedule has one timer, for its next due time.
 *
 * 1. A firing is handled by its state, so that repeats and other schedulers are harmless: the run of a due time always has
 *    the same id, and what was handled is remembered before the next timer is set.
 * 2. A changed definition sets the timer anew; what fires for another revision is passed over.
 */
import { JetStreamApiError } from '@nats-io/jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import type { Broker } from '@runledger/nest-jetstream';
import type { RunLog } from '@runledger/run-log';
import {
  agentKey,
  Cron,
  nextDue,
  scheduleKey,
  scheduleStateKey,
  type Schedule,
  type ScheduleState,
} from '@runledger/wire';
import { setScheduleTimer, type ScheduleTimer } from '../timers/timer-queue.ts';
import { startScheduledRun } from './scheduled-run.ts';

/** A due time is missed when it is handled so much later. */
const MISSED_AFTER_MS = 60_000;

export interface ScheduleAddress {
  tenant_id: string;
  schedule_id: string;
}

interface Known {
  schedule: Schedule;
  revision: number;
  state: ScheduleState | undefined;
  /** Of the state, or of the mark that it was taken away. */
  stateRevision: number;
}

const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);
/** How often a firing is handled anew because another changed the state meanwhile. */
const MOVED_RETRIES = 5;

export class Schedules {
  readonly #open = new Map<string, Promise<KV>>();

  constructor(
    private readonly broker: Broker,
    private readonly runLog: RunLog,
    /** Called when a due time was handled. */
    private readonly onHandled: (schedule: Schedule, state: ScheduleState) => void = () => undefined,
  ) {}

  /** Sets the timer of the next due time; false: there is none. */
  async arm(address: ScheduleAddress): Promise<boolean> {
    const known = await this.#read(address);
    if (known) return this.#arm(known);
    const key = scheduleStateKey(address.tenant_id, address.schedule_id);
    const bucket = await this.#bucket('schedules');
    if ((await bucket.get(key))?.operation === 'PUT') await bucket.purge(key);
    return false;
  }

  async fire(address: ScheduleAddress, timer: ScheduleTimer, retries = MOVED_RETRIES): Promise<void> {
    const known = await this.#read(address);
    if (!known) {
      // A firing that was handled while the schedule was deleted has left its state.
      await this.arm(address);
      return;
    }
    if (!known.schedule.enabled || known.revision !== timer.revision) return;
    const dueAt = Date.parse(timer.due_at);
    if (known.state && Date.parse(known.state.due_at) >= dueAt) {
      await this.#arm(known);
      return;
    }
    const state = await this.#handle(known, dueAt);
    if (!(await this.#keep(known, state))) {
      if (retries === 0) throw new Error(`schedule ${address.schedule_id} is handled by many at once`);
      return this.fire(address, timer, retries - 1);
    }
    this.onHandled(known.schedule, state);
    await this.#arm({ ...known, state });
  }

  /** False: another was first, and may have got further. */
  async #keep({ schedule, stateRevision }: Known, state: ScheduleState): Promise<boolean> {
    const bucket = await this.#bucket('schedules');
    const key = scheduleStateKey(schedule.tenant_id, schedule.schedule_id);
    try {
      await bucket.put(key, JSON.stringify(state), { previousSeq: stateRevision });
      return true;
    } catch (error) {
      if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(error.code)) return false;
      throw error;
    }
  }

  async #arm({ schedule, revision, state }: Known): Promise<boolean> {
    const due = schedule.enabled ? nextDue(schedule, state) : undefined;
    if (due === undefined) return false;
    const { tenant_id, schedule_id } = schedule;
    const due_at = new Date(due).toISOString();
    await setScheduleTimer(this.broker, tenant_id, schedule_id, { due_at, revision });
    return true;
  }

  async #handle({ schedule, state }: Known, dueAt: number): Promise<ScheduleState> {
    const now = Date.now();
    const before = state?.run_id ?? null;
    if (now - dueAt <= MISSED_AFTER_MS) return this.#start(schedule, before, dueAt);
    // One for all that were missed: the latest of them.
    const latest = new Cron(schedule.cron).last(dueAt - 1, now, schedule.time_zone) ?? dueAt;
    if (schedule.missed === 'run_once' || now - latest <= MISSED_AFTER_MS)
      return this.#start(schedule, before, latest);
    return { due_at: new Date(latest).toISOString(), outcome: 'missed_skipped', run_id: before };
  }

  async #start(schedule: Schedule, before: string | null, dueAt: number): Promise<ScheduleState> {
    const due_at = new Date(dueAt).toISOString();
    if (schedule.overlap === 'skip' && before !== null && (await this.#isOpen(schedule.tenant_id, before)))
      return { due_at, outcome: 'overlap_skipped', run_id: before };
    const entry = await (await this.#bucket('agents')).get(agentKey(schedule.tenant_id, schedule.agent_id));
    if (entry?.operation !== 'PUT') return { due_at, outcome: 'agent_not_found', run_id: before };
    const agent = { text: entry.string(), revision: entry.revision };
    return {
      due_at,
      outcome: 'started',
      run_id: await startScheduledRun(this.runLog, schedule, agent, dueAt),
    };
  }

  async #isOpen(tenant_id: string, run_id: string): Promise<boolean> {
    if (await this.runLog.isErased({ tenant_id, run_id })) return false;
    const { run } = await this.runLog.load({ tenant_id, run_id });
    return run.status !== 'none' && run.ended_at === null;
  }

  async #read({ tenant_id, schedule_id }: ScheduleAddress): Promise<Known | undefined> {
    const bucket = await this.#bucket('schedules');
    const [definition, state] = await Promise.all([
      bucket.get(scheduleKey(tenant_id, schedule_id)),
      bucket.get(scheduleStateKey(tenant_id, schedule_id)),
    ]);
    if (definition?.operation !== 'PUT') return undefined;
    return {
      schedule: definition.json<Schedule>(),
      revision: definition.revision,
      state: state?.operation === 'PUT' ? state.json<ScheduleState>() : undefined,
      stateRevision: state?.revision ?? 0,
    };
  }

  /** Reads are the leader's: a replica that is behind would fire a definition that was changed. */
  #bucket(name: string): Promise<KV> {
    const known = this.#open.get(name);
    if (known) return known;
    const opening = new Kvm(this.broker.js).open(name, { allow_direct: false });
    this.#open.set(name, opening);
    opening.catch(() => this.#open.delete(name));
    return opening;
  }
}
