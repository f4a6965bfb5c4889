import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { AgentDefinition } from '@runledger/harness';
import { agentKey } from '@runledger/wire';
import { Buckets } from '../broker/buckets.ts';
import { Problem } from '../problem/problem.ts';

/** A definition as it is stored, with what a run pins of it. */
export interface StoredAgent {
  definition: AgentDefinition;
  /** The bucket's revision of the key. */
  revision: number;
  /** Of the stored text. */
  sha256: string;
}

/** The agents of a tenant, in bucket `agents`. */
@Injectable()
export class AgentCatalogue {
  constructor(@Inject(Buckets) private readonly buckets: Buckets) {}

  /** Throws `agent_not_found`. */
  async get(tenantId: string, agentId: string): Promise<StoredAgent> {
    const entry = await this.buckets.get('agents', agentKey(tenantId, agentId));
    if (!entry) throw new Problem('agent_not_found', `There is no agent ${agentId}.`);
    return stored(entry);
  }

  async list(tenantId: string): Promise<StoredAgent[]> {
    return (await this.buckets.list('agents', tenantId)).map(stored);
  }
}

function stored(entry: { text: string; revision: number }): StoredAgent {
  return {
    definition: JSON.parse(entry.text) as AgentDefinition,
    revision: entry.revision,
    sha256: sha256(entry.text),
  };
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
