import { AgentFailed, type AgentDefinition } from '@runledger/harness';
import { admissionKey, openEnv } from '@runledger/wire';
import type { EventData } from '@runledger/run';
import { Kvm } from '@nats-io/kv';
import type { JetStreamClient } from '@nats-io/jetstream';
import type { RunAddress } from '@runledger/run-log';

/** The agent's `env_vars` overlaid with the values of the start, which are kept sealed and never enter the log. */
export class RunEnvironment {
  constructor(
    private readonly js: JetStreamClient,
    private readonly secretKey: Buffer,
  ) {}

  async load(
    address: RunAddress,
    agent: AgentDefinition,
    request: EventData['run.requested'],
  ): Promise<Record<string, string>> {
    const own = Object.fromEntries((agent.env_vars ?? []).map(({ key, value }) => [key, value]));
    if (request.env_keys.length === 0) return own;
    const bucket = await new Kvm(this.js).open('run-env');
    const entry = await bucket.get(admissionKey(address.tenant_id, address.run_id));
    if (entry?.operation === 'PUT') return { ...own, ...openEnv(this.secretKey, entry.string()) };
    throw new AgentFailed({
      code: 'env_gone',
      category: 'input',
      title: 'The values of the start are no longer stored',
      detail: `the run was started with values for ${request.env_keys.join(', ')}`,
      remedy: 'Start the run again with its env.',
      retryable: false,
    });
  }
}
