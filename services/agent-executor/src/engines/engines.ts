import type { AgentKind, Harness, ModelAnswer, ModelCall } from '@runledger/harness';
import type { Settings } from '@runledger/service-host';
import { builtinHarness } from './builtin/builtin-harness.ts';
import { Models, type ModelScope } from '../models/models.ts';

/** Every engine of this process, and what they keep open. */
export class Engines {
  readonly #harnesses: Map<AgentKind, Harness>;
  readonly #models: Models;

  constructor(settings: Pick<Settings, 'modelBaseUrl' | 'modelApiKey'>) {
    this.#models = new Models(settings);
    const all: Harness[] = [builtinHarness];
    this.#harnesses = new Map(all.map((harness) => [harness.engine, harness]));
  }

  get kinds(): AgentKind[] {
    return [...this.#harnesses.keys()];
  }

  harness(kind: AgentKind): Harness | undefined {
    return this.#harnesses.get(kind);
  }

  callModel(call: ModelCall, scope: ModelScope): Promise<ModelAnswer> {
    return this.#models.call(call, scope);
  }

  async close(): Promise<void> {}
}
