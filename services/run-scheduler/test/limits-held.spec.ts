import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Kvm } from '@nats-io/kv';
import { directPage, type RunAddress } from '@runledger/run-log';
import { waitFor } from '@runledger/testkit';
import { applySlots, SLOTS_KEY, type SlotsCommit } from '@runledger/wire';
import type { AdmissionEntry } from '../src/admission/entry.ts';
import { startSchedulerCell, type SchedulerCell } from './cell-of-schedulers.ts';

type Start = Parameters<SchedulerCell['start']>[0];

/** Groups with their limits: [how a run is counted, limit]. */
const GROUPS: [string, (entry: AdmissionEntry) => string | undefined, number][] = [
  ['cell', () => 'all', 9],
  ['tenant', ({ tenant_id }) => (tenant_id === 'acme' ? 'acme' : undefined), 6],
  ['user', ({ tenant_id, user_id }) => `${tenant_id}.${user_id}`, 4],
  ['agent', ({ tenant_id, agent_id }) => (agent_id === 'single' ? tenant_id : undefined), 2],
  ['key', ({ tenant_id, key }) => (key === undefined ? undefined : `${tenant_id}.${key}`), 1],
];

/** Reads every change of who has a slot, as the broker has stored it, and keeps the most that ever ran at once. */
class Audit {
  readonly most = new Map<string, number>();
  readonly everGranted = new Set<string>();
  #slots = new Map<string, AdmissionEntry>();
  #number = 0;
  #seq = 0;

  constructor(private readonly cell: SchedulerCell) {}

  get slots(): AdmissionEntry[] {
    return [...this.#slots.values()];
  }

  async readOn(): Promise<void> {
    const query = { seq: this.#seq + 1, next_by_subj: `$KV.admission.${SLOTS_KEY}` };
    for (const message of await directPage(this.cell.broker.nc, 'KV_admission', query, 5_000)) {
      const commit = JSON.parse(message.text) as SlotsCommit<AdmissionEntry>;
      if (commit.number !== this.#number + 1)
        throw new Error(`the audit has missed changes before ${commit.number}`);
      applySlots(this.#slots, commit);
      this.#number = commit.number;
      this.#seq = message.seq;
      for (const { run_id } of commit.granted) this.everGranted.add(run_id);
      this.#count();
    }
  }

  #count(): void {
    for (const [name, groupOf] of GROUPS)
      for (const [group, members] of Map.groupBy(this.slots, groupOf)) {
        if (group === undefined) continue;
        this.most.set(name, Math.max(this.most.get(name) ?? 0, members.length));
      }
  }
}

describe('limits with three schedulers', () => {
  let cell: SchedulerCell;

  beforeAll(async () => {
    cell = await startSchedulerCell({ RUNLEDGER_ROOT_RUNS: '9', RUNLEDGER_ROOT_RUNS_PER_USER: '4' });
    await (await new Kvm(cell.broker.js).open('tenants')).put('acme', '{"concurrency":{"max_runs":6}}');
    const agents = await new Kvm(cell.broker.js).open('agents');
    for (const tenant of ['acme', 'zeta'])
      await agents.put(`${tenant}.single`, '{"concurrency":{"max_runs":2}}');
    await Promise.all([cell.startScheduler(), cell.startScheduler(), cell.startScheduler()]);
  }, 30_000);
  afterAll(() => cell.stop());

  it('of cell, tenant, user, agent and key are never exceeded, also while schedulers come and go', async () => {
    const audit = new Audit(cell);
    const runs = await Promise.all(
      Array.from({ length: 120 }, (_, index) =>
        cell.start({
          tenant_id: index % 2 === 0 ? 'acme' : 'zeta',
          user_id: `user-${index % 3}`,
          agent_id: index % 5 === 0 ? 'single' : 'ticker',
          labels: index % 4 === 0 ? { concurrency_key: `key-${index % 8}` } : {},
        }),
      ),
    );
    const full = async (): Promise<boolean> => {
      await audit.readOn();
      return audit.slots.length === 9;
    };
    await waitFor(full, { timeoutMs: 20_000, describe: () => `9 slots, there are ${audit.slots.length}` });
    let rounds = 0;
    const everyEnd: Promise<void>[] = [];
    const ended = new Set<string>();
    const done = async (): Promise<boolean> => {
      await audit.readOn();
      for (const { tenant_id, run_id } of audit.slots.slice(0, 3)) {
        if (ended.has(run_id)) continue;
        ended.add(run_id);
        everyEnd.push(cell.end({ tenant_id, run_id }));
      }
      rounds += 1;
      if (rounds === 10) await (cell.schedulers.shift() as (typeof cell.schedulers)[0]).close();
      if (rounds === 20) await cell.startScheduler();
      return audit.everGranted.size === runs.length;
    };
    await waitFor(done, {
      timeoutMs: 60_000,
      describe: () => `120 grants, there are ${audit.everGranted.size}`,
    });
    await Promise.all(everyEnd);
    for (const [name, , limit] of GROUPS) {
      expect([name, audit.most.get(name)]).not.toEqual([name, undefined]);
      expect([name, Math.max(limit, audit.most.get(name) ?? 0)]).toEqual([name, limit]);
    }
    const left = (run: RunAddress): boolean => !ended.has(run.run_id);
    await Promise.all(runs.filter(left).map((run) => cell.end(run)));
  }, 90_000);

  it.each<[string, number, Partial<Start>]>([
    ['tenant', 6, { tenant_id: 'acme' }],
    ['user', 4, { tenant_id: 'zeta', user_id: 'ann' }],
    ['agent', 2, { tenant_id: 'zeta', agent_id: 'single' }],
    ['key', 1, { tenant_id: 'zeta', labels: { concurrency_key: 'one' } }],
  ])(
    'of %s are reached: %d at once',
    async (_name, limit, shared) => {
      const runs = await Promise.all(
        Array.from({ length: limit + 3 }, (_, index) =>
          cell.start({ user_id: `of-many-${index}`, ...shared }),
        ),
      );
      const ids = new Set(runs.map(({ run_id }) => run_id));
      const granted = async (): Promise<number> =>
        (await cell.granted()).filter(({ run_id }) => ids.has(run_id)).length;
      await waitFor(async () => (await granted()) === limit, {
        timeoutMs: 20_000,
        describe: `${limit} of ${runs.length} to have a slot`,
      });
      await Promise.all(runs.map((run) => cell.end(run)));
    },
    40_000,
  );
});
