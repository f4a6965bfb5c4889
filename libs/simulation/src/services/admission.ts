/**
 * Owns: who may run now. Level-triggered: every call looks at the run as the leader has it and makes the ledger agree.
 * A grant is stored before its work message is published; a grant without a message is repaired by repeating it.
 */
import type { Run } from '@runledger/run';
import type { RunAddress, RunLog } from '@runledger/run-log';
import type { AdmissionEntry } from '../broker/simulated-broker.ts';
import { request } from '../requests.ts';
import type { SimulatedProcess } from '../simulated-process.ts';
import type { World } from '../world.ts';

const MOVED_RETRIES = 20;
const REPEAT_MS = 2_000;
const PUBLISH_WAITS_MS = [10, 20, 40, 80, 160, 320, 640];
const ROOTS_PER_USER = 3;
const CHILDREN_PER_ROOT = 4;

type Ledger = Map<string, AdmissionEntry>;
/** What a turn writes, one after the other; `undefined` removes. */
type Writes = [runId: string, entry: AdmissionEntry | undefined][];

class LedgerMoved extends Error {}

export class Admission {
  constructor(
    private readonly world: World,
    private readonly process: SimulatedProcess,
    private readonly runLog: RunLog,
  ) {}

  async settle(address: RunAddress): Promise<void> {
    const { run } = await this.runLog.load(address);
    if (run.status === 'none') return;
    if (run.status === 'queued') return this.admit(run);
    if (run.status === 'waiting' && run.waiting_on === 'handover') return this.#redispatch(address);
    if (run.status === 'running' || run.status === 'stopping') return this.#keepSlot(run);
    await this.release(run.run_id);
  }

  async release(runId: string): Promise<void> {
    await this.#turn((ledger) => {
      if (!ledger.has(runId)) return [];
      ledger.delete(runId);
      return [[runId, undefined], ...grantNext(ledger)];
    });
  }

  /** Publishes the work of every grant again: after a crash a grant may have been stored without its message. */
  async repeatGrants(): Promise<void> {
    const { entries } = await this.#ask(() => this.world.broker.admission.snapshot());
    for (const { state, run_id, tenant_id } of entries.values())
      if (state === 'granted') await this.settle({ tenant_id, run_id });
    await this.#turn(grantNext);
  }

  async admit(run: Run): Promise<void> {
    const dispatch = Math.max(1, run.dispatch);
    let again: AdmissionEntry | undefined;
    await this.#turn((ledger) => {
      const known = ledger.get(run.run_id);
      again = known?.state === 'granted' && known.dispatch >= dispatch ? known : undefined;
      if (again) return [];
      const entry = entryOf(run, dispatch);
      ledger.set(run.run_id, entry);
      const granted = grantable(ledger).some(({ run_id }) => run_id === run.run_id);
      return [[run.run_id, granted ? { ...entry, state: 'granted' } : entry]];
    });
    if (again) await this.#publish(again);
    this.#lookAgain({ tenant_id: run.tenant_id, run_id: run.run_id });
  }

  /** A run that ended while it was being admitted would keep its slot. */
  #lookAgain(address: RunAddress): void {
    const look = async (): Promise<void> => {
      const { run } = await this.runLog.load(address);
      if (run.ended_at !== null) await this.release(address.run_id);
    };
    this.process.timing.after(REPEAT_MS, () => void look().catch(() => this.#lookAgain(address)));
  }

  async #keepSlot(run: Run): Promise<void> {
    await this.#turn((ledger) =>
      ledger.has(run.run_id) ? [] : [[run.run_id, { ...entryOf(run, run.dispatch), state: 'granted' }]],
    );
  }

  async #redispatch(address: RunAddress): Promise<void> {
    const done = await this.runLog.execute(address, () => ({ type: 'UnparkRun', reason: 'handover' }));
    if (done.refusal || done.run.status !== 'queued') return;
    const entry = entryOf(done.run, done.run.dispatch);
    await this.#turn(() => [[entry.run_id, { ...entry, state: 'granted' }]]);
  }

  /** Decides on the ledger as it is stored, again from the start when another process was first. */
  async #turn(decide: (ledger: Ledger) => Writes): Promise<void> {
    const granted: AdmissionEntry[] = [];
    try {
      for (let attempt = 0; ; attempt += 1) {
        try {
          await this.#write(decide, granted);
          return;
        } catch (error) {
          if (!(error instanceof LedgerMoved) || attempt >= MOVED_RETRIES) throw error;
        }
      }
    } finally {
      await Promise.all(granted.map((entry) => this.#publish(entry)));
    }
  }

  async #write(decide: (ledger: Ledger) => Writes, granted: AdmissionEntry[]): Promise<void> {
    const { entries, revision } = await this.#ask(() => this.world.broker.admission.snapshot());
    let expected = revision;
    for (const [runId, entry] of decide(new Map(entries))) {
      const written = await this.#ask(() => this.world.broker.admission.put(runId, entry, expected));
      if (written === undefined) throw new LedgerMoved();
      expected = written;
      if (entry?.state === 'granted') granted.push(entry);
    }
  }

  async #publish(entry: AdmissionEntry): Promise<void> {
    try {
      await this.#offer(entry);
    } catch {
      const { tenant_id, run_id } = entry;
      this.process.timing.after(
        REPEAT_MS,
        () => void this.settle({ tenant_id, run_id }).catch(() => undefined),
      );
    }
  }

  /** An older message that is still out is waited for, for about a second. */
  async #offer({ tenant_id, run_id, dispatch }: AdmissionEntry): Promise<void> {
    for (const waitMs of PUBLISH_WAITS_MS) {
      const outstanding = await this.#ask(() =>
        this.world.broker.work.publish({ tenant_id, run_id, dispatch }),
      );
      if (outstanding === undefined || outstanding >= dispatch) return;
      await this.process.wait(waitMs);
    }
    throw new Error('an older message is still out');
  }

  #ask<T>(carryOut: () => T): Promise<T> {
    return request(this.world.network, this.process, carryOut);
  }
}

function grantNext(ledger: Ledger): Writes {
  return grantable(ledger).map((entry) => [entry.run_id, { ...entry, state: 'granted' }]);
}

const groupOf = ({ root_run_id, run_id, user_id }: AdmissionEntry): string =>
  root_run_id === run_id ? `user ${user_id}` : `root ${root_run_id}`;

/** The queued entries that may be granted now: what has run before first, then by age. */
function grantable(ledger: Ledger): AdmissionEntry[] {
  const free = new Map<string, number>();
  for (const entry of ledger.values()) {
    const group = groupOf(entry);
    const left = free.get(group) ?? (group.startsWith('user ') ? ROOTS_PER_USER : CHILDREN_PER_ROOT);
    free.set(group, entry.state === 'granted' ? left - 1 : left);
  }
  const queued = [...ledger.values()].filter(({ state }) => state === 'queued');
  const byTurn = (a: AdmissionEntry, b: AdmissionEntry): number =>
    Number(b.dispatch > 1) - Number(a.dispatch > 1) ||
    (a.since < b.since ? -1 : a.since > b.since ? 1 : 0) ||
    (a.run_id < b.run_id ? -1 : 1);
  return queued.sort(byTurn).filter((entry) => {
    const left = free.get(groupOf(entry)) ?? 0;
    free.set(groupOf(entry), left - 1);
    return left > 0;
  });
}

function entryOf(run: Run, dispatch: number): AdmissionEntry {
  const { run_id, tenant_id, user_id, root_run_id } = run;
  return { run_id, tenant_id, user_id, root_run_id, since: run.requested_at, state: 'queued', dispatch };
}
