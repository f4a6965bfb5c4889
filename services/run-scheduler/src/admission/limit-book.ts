import { Kvm, type KV } from '@nats-io/kv';
import type { Broker } from '@runledger/nest-jetstream';
import type { Json } from '@runledger/run';
import { agentKey, isId } from '@runledger/wire';
import type { AdmissionEntry } from './entry.ts';
import type { Limits } from './usage.ts';

/** How long a record is believed: a changed limit is in force everywhere after that. */
const BELIEVED_MS = 5_000;
const MOST_REMEMBERED = 10_000;

/** The label whose value is a concurrency key. */
export const KEY_LABEL = 'concurrency_key';

/** What holds where neither the tenant nor the agent says otherwise. */
export interface DefaultLimits {
  rootRuns: number;
  rootRunsPerTenant: number;
  rootRunsPerUser: number;
  rootRunsPerAgent: number;
  rootRunsPerKey: number;
  childrenPerRoot: number;
}

/** `concurrency` of a record in bucket `tenants`. */
interface TenantConcurrency {
  max_runs?: number;
  max_runs_per_user?: number;
  max_runs_per_agent?: number;
  max_runs_per_key?: number;
  weight?: number;
}

/** `concurrency` of an agent's definition. */
interface AgentConcurrency {
  max_runs?: number;
  key_label?: string;
  max_runs_per_key?: number;
}

/** Limits as settings, tenants and agents have them. Lookups answer at once with what was read last. */
export class LimitBook implements Limits {
  readonly #tenants: Records<TenantConcurrency>;
  readonly #agents: Records<AgentConcurrency>;

  constructor(
    broker: Pick<Broker, 'js'>,
    private readonly defaults: DefaultLimits,
  ) {
    this.#tenants = new Records(broker, 'tenants');
    this.#agents = new Records(broker, 'agents');
  }

  /** The concurrency keys of a root run. Its limits are read on the way. `inline`: the definition, where it came with the start. */
  async keysOf(
    tenantId: string,
    agentId: string,
    labels: Record<string, string>,
    inline?: Json,
  ): Promise<Pick<AdmissionEntry, 'key' | 'agent_key'>> {
    const [stored] = await Promise.all([this.#agent(tenantId, agentId), this.#tenants.read(tenantId)]);
    const { key_label } = inline === undefined ? stored : concurrencyOf<AgentConcurrency>(inline);
    const key = labels[KEY_LABEL];
    const agent_key = typeof key_label === 'string' ? labels[key_label] : undefined;
    return { ...(key === undefined ? {} : { key }), ...(agent_key === undefined ? {} : { agent_key }) };
  }

  /** Reads again what is too old of the limits that these runs count against. */
  async refresh(entries: Iterable<AdmissionEntry>): Promise<void> {
    const tenants = new Set<string>();
    const agents = new Map<string, AdmissionEntry>();
    for (const entry of entries) {
      tenants.add(entry.tenant_id);
      agents.set(`${entry.tenant_id}.${entry.agent_id}`, entry);
    }
    await Promise.all([
      ...[...tenants].map((tenantId) => this.#tenants.read(tenantId)),
      ...[...agents.values()].map(({ tenant_id, agent_id }) => this.#agent(tenant_id, agent_id)),
    ]);
  }

  knows({ tenant_id, agent_id }: AdmissionEntry): boolean {
    const knowsAgent = !isId('agent_id', agent_id) || this.#agents.known(agentKey(tenant_id, agent_id));
    return knowsAgent !== undefined && this.#tenants.known(tenant_id) !== undefined;
  }

  get cell(): number {
    return this.defaults.rootRuns;
  }

  get childrenPerRoot(): number {
    return this.defaults.childrenPerRoot;
  }

  tenant(tenantId: string): number {
    return count(this.#tenants.known(tenantId)?.max_runs) ?? this.defaults.rootRunsPerTenant;
  }

  user(tenantId: string): number {
    return count(this.#tenants.known(tenantId)?.max_runs_per_user) ?? this.defaults.rootRunsPerUser;
  }

  agent(tenantId: string, agentId: string): number {
    return (
      count(this.#agents.known(`${tenantId}.${agentId}`)?.max_runs) ??
      count(this.#tenants.known(tenantId)?.max_runs_per_agent) ??
      this.defaults.rootRunsPerAgent
    );
  }

  key(tenantId: string): number {
    return count(this.#tenants.known(tenantId)?.max_runs_per_key) ?? this.defaults.rootRunsPerKey;
  }

  agentKey(tenantId: string, agentId: string): number {
    return count(this.#agents.known(`${tenantId}.${agentId}`)?.max_runs_per_key) ?? this.key(tenantId);
  }

  weight(tenantId: string): number {
    return count(this.#tenants.known(tenantId)?.weight) ?? 1;
  }

  #agent(tenantId: string, agentId: string): Promise<AgentConcurrency> {
    if (!isId('agent_id', agentId)) return Promise.resolve({});
    return this.#agents.read(agentKey(tenantId, agentId));
  }
}

interface Remembered<T> {
  value: T;
  readAt: number;
  reading: Promise<T> | undefined;
}

/** `concurrency` of the records of one bucket, remembered. */
class Records<T extends object> {
  readonly #known = new Map<string, Remembered<T>>();
  #bucket: Promise<KV> | undefined;

  constructor(
    private readonly broker: Pick<Broker, 'js'>,
    private readonly name: string,
  ) {}

  /** What was read last; undefined: nothing was. */
  known(key: string): T | undefined {
    const known = this.#known.get(key);
    return known && known.readAt > -Infinity ? known.value : undefined;
  }

  read(key: string): Promise<T> {
    const known = this.#known.get(key);
    if (known && performance.now() - known.readAt < BELIEVED_MS) return Promise.resolve(known.value);
    if (known?.reading) return known.reading;
    const before = known ?? { value: {} as T, readAt: -Infinity };
    const reading = this.#read(key, before);
    this.#known.set(key, { ...before, reading });
    return reading;
  }

  async #read(key: string, before: Pick<Remembered<T>, 'value' | 'readAt'>): Promise<T> {
    const readAt = performance.now();
    try {
      this.#bucket ??= new Kvm(this.broker.js).open(this.name);
      const entry = await (await this.#bucket).get(key);
      const value =
        entry?.operation === 'PUT' ? concurrencyOf<T>(JSON.parse(entry.string()) as Json) : ({} as T);
      if (this.#known.size > MOST_REMEMBERED) this.#known.delete(this.#known.keys().next().value as string);
      this.#known.set(key, { value, readAt, reading: undefined });
      return value;
    } catch (error) {
      this.#bucket = undefined;
      this.#known.set(key, { ...before, reading: undefined });
      throw error;
    }
  }
}

function concurrencyOf<T extends object>(record: Json): T {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) return {} as T;
  const { concurrency } = record;
  return typeof concurrency === 'object' && concurrency !== null ? (concurrency as T) : ({} as T);
}

/** What is no whole number from 1 on is no limit: records of tenants are written by operators. */
const count = (value: unknown): number | undefined =>
  Number.isInteger(value) && (value as number) >= 1 ? (value as number) : undefined;
