/**
 * Owns: which of the waiting runs is next. In memory, without a clock.
 *
 * 1. Tenants take turns: deficit round robin in which every grant costs one and a tenant's quantum is its weight. A
 *    tenant that has nothing that may run is passed over and saves nothing up.
 * 2. Within a tenant its users take turns, one grant each.
 * 3. Within a user: what has run before, then priority, then age. A run whose agent or key has no room is passed over.
 * 4. Children are granted under their root, outside of all turns, by the same order.
 */
import { byTurn, isRoot, type AdmissionEntry } from './entry.ts';
import { Lanes } from './lanes.ts';
import { Ordered, Ring } from './ordered.ts';

/** Where there is room for one more run. */
export interface Room {
  cell(): boolean;
  tenant(tenantId: string): boolean;
  user(tenantId: string, userId: string): boolean;
  /** Whether every limit that the run counts against has room. */
  run(entry: AdmissionEntry): boolean;
  /** Grants in a row that the tenant has in its turn: at least 1. */
  weight(tenantId: string): number;
}

/** A run that was taken out of the queue; `undo` puts it and everybody's turn back, in reverse order of taking. */
export interface Taken {
  entry: AdmissionEntry;
  undo: () => void;
}

interface TenantQueue {
  users: Ring<Lanes>;
  lastUser: string | undefined;
}

export class FairQueue {
  readonly #entries = new Map<string, AdmissionEntry>();
  readonly #tenants = new Ring<TenantQueue>();
  readonly #children = new Ring<Ordered<AdmissionEntry>>();
  #changes = 0;
  #turn: { tenantId: string | undefined; left: number } = { tenantId: undefined, left: 0 };

  get size(): number {
    return this.#entries.size;
  }

  /** Counts every change of who waits. */
  get changes(): number {
    return this.#changes;
  }

  get(runId: string): AdmissionEntry | undefined {
    return this.#entries.get(runId);
  }

  entries(): Iterable<AdmissionEntry> {
    return this.#entries.values();
  }

  /** Of all runs that wait, one for each set of shared limits. */
  *heads(): Iterable<AdmissionEntry> {
    for (const [, { users }] of this.#tenants.entries())
      for (const [, lanes] of users.entries()) yield* lanes.heads();
  }

  clear(): void {
    for (const entry of [...this.#entries.values()]) this.remove(entry.run_id);
  }

  /** Replaces what waited for the same run. */
  add(entry: AdmissionEntry): void {
    this.remove(entry.run_id);
    this.#entries.set(entry.run_id, entry);
    this.#changes += 1;
    if (isRoot(entry)) this.#lanesOf(entry).add(entry);
    else this.#children.getOrAdd(entry.root_run_id, () => new Ordered(byTurn)).add(entry);
  }

  remove(runId: string): void {
    const entry = this.#entries.get(runId);
    if (!entry) return;
    this.#entries.delete(runId);
    this.#changes += 1;
    if (isRoot(entry)) return this.#leaveLane(entry);
    const siblings = this.#children.get(entry.root_run_id);
    siblings?.remove(entry);
    if (siblings?.first === undefined) this.#children.delete(entry.root_run_id);
  }

  /** Takes the run that is granted next out of the queue; `undefined`: none may be. */
  take(room: Room): Taken | undefined {
    const turn = this.#turn;
    const entry = this.#nextChild(room) ?? (room.cell() ? this.#nextRoot(room) : undefined);
    if (!entry) return undefined;
    const tenant = this.#tenants.get(entry.tenant_id);
    const lastUser = tenant?.lastUser;
    if (isRoot(entry) && tenant) tenant.lastUser = entry.user_id;
    this.remove(entry.run_id);
    const undo = (): void => {
      this.add(entry);
      this.#turn = turn;
      const queue = this.#tenants.get(entry.tenant_id);
      if (queue && isRoot(entry)) queue.lastUser = lastUser;
    };
    return { entry, undo };
  }

  /** Another process has granted this run: the turn goes on after it. */
  served(entry: AdmissionEntry): void {
    const waiting = this.#entries.get(entry.run_id);
    if (waiting && waiting.dispatch <= entry.dispatch) this.remove(entry.run_id);
    if (!isRoot(entry)) return;
    this.#turn = { tenantId: entry.tenant_id, left: 0 };
    const tenant = this.#tenants.get(entry.tenant_id);
    if (tenant) tenant.lastUser = entry.user_id;
  }

  #nextChild(room: Room): AdmissionEntry | undefined {
    for (const [, { first }] of this.#children.from(undefined)) if (first && room.run(first)) return first;
    return undefined;
  }

  #nextRoot(room: Room): AdmissionEntry | undefined {
    const { tenantId, left } = this.#turn;
    for (const [tenant, queue] of this.#tenants.from(tenantId, left > 0)) {
      const entry = room.tenant(tenant) ? nextOfTenant(tenant, queue, room) : undefined;
      if (!entry) continue;
      const unspent = tenant === tenantId && left > 0 ? left : room.weight(tenant);
      this.#turn = { tenantId: tenant, left: unspent - 1 };
      return entry;
    }
    return undefined;
  }

  #lanesOf(entry: AdmissionEntry): Lanes {
    const tenant = this.#tenants.getOrAdd(entry.tenant_id, () => ({
      users: new Ring(),
      lastUser: undefined,
    }));
    return tenant.users.getOrAdd(entry.user_id, () => new Lanes());
  }

  #leaveLane(entry: AdmissionEntry): void {
    const tenant = this.#tenants.get(entry.tenant_id);
    const lanes = tenant?.users.get(entry.user_id);
    lanes?.remove(entry);
    if (lanes?.empty) tenant?.users.delete(entry.user_id);
    if (tenant?.users.size === 0) this.#tenants.delete(entry.tenant_id);
  }
}

function nextOfTenant(tenantId: string, queue: TenantQueue, room: Room): AdmissionEntry | undefined {
  for (const [userId, lanes] of queue.users.from(queue.lastUser)) {
    if (!room.user(tenantId, userId)) continue;
    for (const head of lanes.heads()) if (room.run(head)) return head;
  }
  return undefined;
}
