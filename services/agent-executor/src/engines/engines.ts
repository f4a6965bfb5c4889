import type { AgentKind, Harness, ModelAnswer, ModelCall } from '@runledger/harness';
import { builtinHarness } from './builtin/builtin-harness.ts';
import { CodeHarness, ProcessHarness } from './child/child-harnesses.ts';
import { WarmPool } from './child/warm-pool.ts';
import { LlmHarness } from './llm/llm-harness.ts';
import { Models, type ModelScope, type ModelSettings } from '../models/models.ts';

const WARM_HOSTS = 1;

/** Every engine of this process, and what they keep open. */
export class Engines {
  readonly #harnesses: Map<AgentKind, Harness>;
  readonly #models: Models;
  readonly #pool = new WarmPool(WARM_HOSTS);

  constructor(settings: ModelSettings) {
    this.#models = new Models(settings);
    const all: Harness[] = [
      new LlmHarness(this.#models),
      builtinHarness,
      new CodeHarness(this.#pool),
      new ProcessHarness(),
    ];
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

  close(): Promise<void> {
    return this.#pool.close();
  }
}
