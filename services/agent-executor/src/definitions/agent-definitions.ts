import { AgentFailed, type AgentDefinition } from '@runledger/harness';
import { agentKey, isId } from '@runledger/wire';
import type { EventData } from '@runledger/run';
import { createHash } from 'node:crypto';
import { Kvm, type KV } from '@nats-io/kv';
import type { JetStreamClient } from '@nats-io/jetstream';

export interface CurrentAgent {
  definition: AgentDefinition;
  revision: number;
  /** Of the definition's stored text. */
  sha256: string;
}

const CACHED = 256;

/** Definitions as runs pinned them: the revision that a run was started with, or the one inside its request. */
export class AgentDefinitions {
  #bucket: Promise<KV> | undefined;
  readonly #cache = new Map<string, AgentDefinition>();

  constructor(private readonly js: JetStreamClient) {}

  /** AgentFailed `agent_gone` when the revision is no longer stored. */
  async load(request: EventData['run.requested']): Promise<AgentDefinition> {
    if (request.agent) return request.agent as unknown as AgentDefinition;
    const key = agentKey(request.tenant_id, request.agent_id);
    const pinned = `${key}@${request.agent_revision}`;
    const cached = this.#cache.get(pinned);
    if (cached) return cached;
    const entry =
      request.agent_revision > 0
        ? await (await this.#open()).get(key, { revision: request.agent_revision })
        : null;
    if (entry?.operation === 'PUT') return this.#keep(pinned, entry.json<AgentDefinition>());
    throw new AgentFailed({
      code: 'agent_gone',
      category: 'agent',
      title: 'The agent definition is no longer stored',
      detail: `agent "${request.agent_id}" has no revision ${request.agent_revision}`,
      remedy: 'Start the run again: it takes the current revision.',
      retryable: false,
    });
  }

  /** The definition that a run started now would pin; undefined when there is no such agent. */
  async current(tenantId: string, agentId: string): Promise<CurrentAgent | undefined> {
    if (!isId('agent_id', agentId)) return undefined;
    const entry = await (await this.#open()).get(agentKey(tenantId, agentId));
    if (entry?.operation !== 'PUT') return undefined;
    const text = entry.string();
    return {
      definition: JSON.parse(text) as AgentDefinition,
      revision: entry.revision,
      sha256: createHash('sha256').update(text).digest('hex'),
    };
  }

  /** A revision never changes; the oldest go first. */
  #keep(pinned: string, agent: AgentDefinition): AgentDefinition {
    if (this.#cache.size >= CACHED) this.#cache.delete(this.#cache.keys().next().value ?? '');
    this.#cache.set(pinned, agent);
    return agent;
  }

  #open(): Promise<KV> {
    this.#bucket ??= new Kvm(this.js).open('agents').catch((error: unknown) => {
      this.#bucket = undefined;
      throw error;
    });
    return this.#bucket;
  }
}
