import { isRoot, type AdmissionEntry } from './entry.ts';
import type { Room } from './fair-queue.ts';

/** How many runs may run at once, of each kind of group. */
export interface Limits {
  cell: number;
  childrenPerRoot: number;
  tenant(tenantId: string): number;
  user(tenantId: string): number;
  agent(tenantId: string, agentId: string): number;
  key(tenantId: string): number;
  agentKey(tenantId: string, agentId: string): number;
  weight(tenantId: string): number;
  /** Whether the limits of this root run have been read at all. */
  knows(entry: AdmissionEntry): boolean;
}

const CELL = 'cell';
const tenantGroup = (tenantId: string): string => `tenant ${tenantId}`;
const userGroup = (tenantId: string, userId: string): string => `user ${tenantId} ${userId}`;

/** The groups that a run counts in. Waiting for a slot counts in none. */
function groupsOf(entry: AdmissionEntry): string[] {
  if (!isRoot(entry)) return [`root ${entry.root_run_id}`];
  const { tenant_id, user_id, agent_id, key, agent_key } = entry;
  return [
    CELL,
    tenantGroup(tenant_id),
    userGroup(tenant_id, user_id),
    `agent ${tenant_id} ${agent_id}`,
    ...(key === undefined ? [] : [`key ${tenant_id} ${key}`]),
    ...(agent_key === undefined ? [] : [`agent-key ${tenant_id} ${agent_id} ${agent_key}`]),
  ];
}

/** How many runs have a slot, by group, beside the limits of the groups. */
export class Usage implements Room {
  readonly #used = new Map<string, number>();
  /** One run each of those that were passed over because nobody has read their limits here yet. */
  readonly unread = new Map<string, AdmissionEntry>();

  constructor(private readonly limits: Limits) {}

  clear(): void {
    this.#used.clear();
  }

  count(entry: AdmissionEntry, change: 1 | -1): void {
    for (const group of groupsOf(entry)) {
      const used = (this.#used.get(group) ?? 0) + change;
      if (used === 0) this.#used.delete(group);
      else this.#used.set(group, used);
    }
  }

  cell(): boolean {
    return this.#below(CELL, this.limits.cell);
  }

  tenant(tenantId: string): boolean {
    return this.#below(tenantGroup(tenantId), this.limits.tenant(tenantId));
  }

  user(tenantId: string, userId: string): boolean {
    return this.#below(userGroup(tenantId, userId), this.limits.user(tenantId));
  }

  run(entry: AdmissionEntry): boolean {
    if (isRoot(entry) && !this.limits.knows(entry)) {
      this.unread.set(`${entry.tenant_id} ${entry.agent_id}`, entry);
      return false;
    }
    return groupsOf(entry).every((group) => this.#below(group, this.#limitOf(group, entry)));
  }

  weight(tenantId: string): number {
    return Math.max(1, this.limits.weight(tenantId));
  }

  #below(group: string, limit: number): boolean {
    return (this.#used.get(group) ?? 0) < limit;
  }

  #limitOf(group: string, { tenant_id, agent_id }: AdmissionEntry): number {
    switch (group.slice(0, Math.max(0, group.indexOf(' ')))) {
      case 'root':
        return this.limits.childrenPerRoot;
      case 'tenant':
        return this.limits.tenant(tenant_id);
      case 'user':
        return this.limits.user(tenant_id);
      case 'agent':
        return this.limits.agent(tenant_id, agent_id);
      case 'key':
        return this.limits.key(tenant_id);
      case 'agent-key':
        return this.limits.agentKey(tenant_id, agent_id);
      default:
        return this.limits.cell;
    }
  }
}
