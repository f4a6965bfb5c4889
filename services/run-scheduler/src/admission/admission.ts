/**
 * Owns: who may run now. Level-triggered: every call looks at the run as the leader has it and makes the ledger agree,
 * so that repeats, reordering and second replicas are harmless.
 *
 * 1. A grant is stored before its work message is published, and the message is published outside the tenant's turn; a
 *    grant without a message is repaired by repeating it: here, at the next start, or by the reconciler's sweep.
 * 2. Within a tenant, decisions are made one after the other; across processes the ledger's expectation orders them, and
 *    "nothing to do" is only believed when nobody else has written.
 * 3. A run keeps its slot through a handover, and gives it up when it parks or ends.
 */
import type { Run } from '@runledger/run';
import type { RunAddress, RunLog } from '@runledger/run-log';
import type { Broker } from '@runledger/nest-jetstream';
import { publishWork } from '../work/work-queue.ts';
import { grantable, type AdmissionEntry, type AdmissionLimits } from './entry.ts';
import { LedgerMoved, TenantLedger } from './ledger.ts';

const MOVED_RETRIES = 20;
/** When a run is looked at again, after its message could not be published and after its grant. */
const REPEAT_MS = 2_000;

export interface AdmissionParts {
  broker: Broker;
  runLog: RunLog;
  limits: AdmissionLimits;
  /** Called after this process has changed a tenant's ledger. */
  onChange: (tenantId: string) => void;
  /** Called when the work of a grant could not be published yet. */
  onUnpublished: (tenantId: string, runId: string, error: unknown) => void;
}

export class Admission {
  #ledgers = new Map<string, TenantLedger>();
  #turns = new Map<string, Promise<unknown>>();

  constructor(private readonly parts: AdmissionParts) {}

  /** Makes the ledger agree with the run, grants what became possible and queues the work. */
  async settle(address: RunAddress): Promise<void> {
    const { run } = await this.parts.runLog.load(address);
    if (run.status === 'none') return;
    if (run.status === 'queued') return this.admit(address, run);
    if (run.status === 'waiting' && run.waiting_on === 'handover') return this.#redispatch(address);
    if (run.status === 'running' || run.status === 'stopping') return this.#keepSlot(address, run);
    await this.release(address);
  }

  /** A run that runs has a slot, also where the ledger was lost. */
  #keepSlot(address: RunAddress, run: Run): Promise<void> {
    return this.#inTurn(address.tenant_id, async (ledger) => {
      if (!ledger.entries.has(run.run_id))
        await ledger.put({ ...entryOf(run, run.dispatch), state: 'granted' });
    });
  }

  /** The run holds its slot no longer. */
  release(address: RunAddress): Promise<void> {
    return this.#granting(address.tenant_id, async (ledger, grant) => {
      if (!ledger.entries.has(address.run_id)) return;
      await ledger.remove(address.run_id);
      await this.#grantNext(ledger, grant);
    });
  }

  /** Publishes the work of every grant again: after a crash a grant may have been stored without its message. */
  async repeatGrants(tenantId: string): Promise<void> {
    const granted = await this.#inTurn(tenantId, async (ledger) =>
      [...ledger.entries.values()].filter((entry) => entry.state === 'granted'),
    );
    for (const entry of granted) await this.settle({ tenant_id: tenantId, run_id: entry.run_id });
    await this.#granting(tenantId, (ledger, grant) => this.#grantNext(ledger, grant));
  }

  /** A tenant's entries as they are stored. */
  entries(tenantId: string): Promise<{ entries: AdmissionEntry[]; as_of: number }> {
    return this.#inTurn(tenantId, async (ledger) => ({
      entries: [...ledger.entries.values()],
      as_of: ledger.lastSequence,
    }));
  }

  /** A run that waits for a slot, as it was last seen: a later end of it is found after the grant. */
  async admit(address: RunAddress, run: Run): Promise<void> {
    const dispatch = Math.max(1, run.dispatch);
    await this.#granting(address.tenant_id, async (ledger, grant) => {
      const known = ledger.entries.get(run.run_id);
      if (known?.state === 'granted' && known.dispatch >= dispatch) return grant.again(known);
      const entry = entryOf(run, dispatch);
      const entries = new Map(ledger.entries).set(run.run_id, entry);
      const next = grantable(entries.values(), this.parts.limits);
      if (next.some((candidate) => candidate.run_id === run.run_id)) await grant.now(ledger, entry);
      else if (!known || known.dispatch < dispatch) await ledger.put(entry);
    });
    this.#lookAgain(address);
  }

  /**
   * A run that ended while it was being admitted would keep its slot: its end may have been handled before the grant.
   * That is rare and does not hurry, so it is looked at later, and only while the slot is still taken. A crash before
   * then is covered by the next start, which looks at every grant.
   */
  #lookAgain(address: RunAddress): void {
    const look = async (): Promise<void> => {
      if (!this.#ledgers.get(address.tenant_id)?.entries.has(address.run_id)) return;
      const { run } = await this.parts.runLog.load(address);
      if (run.ended_at !== null) await this.release(address);
    };
    setTimeout(() => void look().catch(() => this.#lookAgain(address)), REPEAT_MS).unref();
  }

  async #redispatch(address: RunAddress): Promise<void> {
    const done = await this.parts.runLog.execute(address, () => ({ type: 'UnparkRun', reason: 'handover' }));
    if (done.refusal || done.run.status !== 'queued') return;
    const entry = entryOf(done.run, done.run.dispatch);
    await this.#granting(address.tenant_id, (ledger, grant) => grant.now(ledger, entry));
  }

  async #grantNext(ledger: TenantLedger, grant: Grants): Promise<void> {
    for (const entry of grantable(ledger.entries.values(), this.parts.limits)) await grant.now(ledger, entry);
  }

  /** A turn that may grant; what it granted is published when it is over, also when it ended in an error. */
  async #granting(
    tenantId: string,
    decide: (ledger: TenantLedger, grant: Grants) => Promise<void> | void,
  ): Promise<void> {
    const grants = new Grants();
    try {
      await this.#inTurn(tenantId, async (ledger) => decide(ledger, grants));
    } finally {
      await Promise.all(grants.made.map((entry) => this.#publish(tenantId, entry)));
    }
  }

  async #publish(tenantId: string, entry: AdmissionEntry): Promise<void> {
    try {
      await publishWork(this.parts.broker, tenantId, entry.run_id, entry.dispatch);
    } catch (error) {
      this.parts.onUnpublished(tenantId, entry.run_id, error);
      const again = setTimeout(
        () => void this.settle({ tenant_id: tenantId, run_id: entry.run_id }).catch(() => undefined),
        REPEAT_MS,
      );
      again.unref();
    }
  }

  /** Runs `decide` alone for this tenant, on a loaded ledger, again from the start when another process was first. */
  #inTurn<T>(tenantId: string, decide: (ledger: TenantLedger) => Promise<T>): Promise<T> {
    const before = this.#turns.get(tenantId) ?? Promise.resolve();
    const turn = before.catch(() => undefined).then(() => this.#decide(tenantId, decide));
    this.#turns.set(tenantId, turn);
    return turn;
  }

  async #decide<T>(tenantId: string, decide: (ledger: TenantLedger) => Promise<T>): Promise<T> {
    const ledger = this.#ledgers.get(tenantId) ?? new TenantLedger(this.parts.broker, tenantId);
    this.#ledgers.set(tenantId, ledger);
    for (let attempt = 0; ; attempt++) {
      try {
        await ledger.load();
        const writes = ledger.writes;
        const result = await decide(ledger);
        if (ledger.writes !== writes) this.parts.onChange(tenantId);
        else if (!(await ledger.isCurrent())) continue;
        return result;
      } catch (error) {
        if (!(error instanceof LedgerMoved) || attempt >= MOVED_RETRIES) throw error;
      }
    }
  }
}

/** What one turn grants. Kept over its repeats: a grant that is stored is published, whatever comes after it. */
class Grants {
  readonly made: AdmissionEntry[] = [];

  async now(ledger: TenantLedger, entry: AdmissionEntry): Promise<void> {
    const granted: AdmissionEntry = { ...entry, state: 'granted' };
    await ledger.put(granted);
    this.made.push(granted);
  }

  /** Granted before; its message may be missing. */
  again(entry: AdmissionEntry): void {
    this.made.push(entry);
  }
}

function entryOf(run: Run, dispatch: number): AdmissionEntry {
  return {
    run_id: run.run_id,
    user_id: run.user_id,
    agent_id: run.agent_id,
    root_run_id: run.root_run_id,
    priority: run.priority,
    since: Date.parse(run.requested_at),
    state: 'queued',
    dispatch,
  };
}
