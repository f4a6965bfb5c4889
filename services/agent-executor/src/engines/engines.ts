import type { AgentKind, GroupLimits, Harness, ModelAnswer, ModelCall } from '@runledger/harness';
import { builtinHarness } from './builtin/builtin-harness.ts';
import { CodeHarness, ProcessHarness } from './child/child-harnesses.ts';
import { WarmPool } from './child/warm-pool.ts';
import { LlmHarness } from './llm/llm-harness.ts';
import { Models, type ModelScope, type ModelSettings } from '../models/models.ts';

const WARM_HOSTS = 1;

export interface EngineSettings extends ModelSettings {
  agentMemoryMib?: number;
  agentProcesses?: number;
}

/** Of the process group of one agent. */
const limitsOf = ({ agentMemoryMib = 1_024, agentProcesses = 64 }: EngineSettings): GroupLimits => ({
  bytes: agentMemoryMib * 1024 * 1024,
  processes: agentProcesses,
});

/** Every engine of this process, and what they keep open. */
export class Engines {
  readonly #harnesses: Map<AgentKind, Harness>;
  readonly #models: Models;
  readonly #pool: WarmPool;

  constructor(settings: EngineSettings) {
    const limits = limitsOf(settings);
    this.#pool = new WarmPool(WARM_HOSTS, limits);
    this.#models = new Models(settings);
    const all: Harness[] = [
      new LlmHarness(this.#models),
      builtinHarness,
      new CodeHarness(this.#pool),
      new ProcessHarness(limits),
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
