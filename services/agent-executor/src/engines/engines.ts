import {
  whySandboxFails,
  type AgentKind,
  type GroupLimits,
  type Harness,
  type ModelAnswer,
  type ModelCall,
  type Sandbox,
} from '@runledger/harness';
import { fileURLToPath } from 'node:url';
import { builtinHarness } from './builtin/builtin-harness.ts';
import { CodeHarness, ProcessHarness } from './child/child-harnesses.ts';
import { WarmPool } from './child/warm-pool.ts';
import { LlmHarness } from './llm/llm-harness.ts';
import { Models, type ModelScope, type ModelSettings } from '../models/models.ts';

const WARM_HOSTS = 1;

export interface EngineSettings extends ModelSettings {
  agentMemoryMib?: number;
  agentProcesses?: number;
  sandbox?: 'none' | 'bwrap' | 'bwrap-network';
  sandboxRead?: readonly string[];
}

/** The scripts of the sample agents. */
const SAMPLES = fileURLToPath(new URL('../../samples', import.meta.url));

/** Of the process group of one agent. */
const limitsOf = ({ agentMemoryMib = 1_024, agentProcesses = 64 }: EngineSettings): GroupLimits => ({
  bytes: agentMemoryMib * 1024 * 1024,
  processes: agentProcesses,
});

/** Throws where the sandbox that is wanted is not to be had: nothing is run without it. */
function sandboxOf({ sandbox = 'none', sandboxRead = [] }: EngineSettings): Sandbox | undefined {
  if (sandbox === 'none') return undefined;
  const wanted = { network: sandbox === 'bwrap-network', read: [SAMPLES, ...sandboxRead] };
  const why = whySandboxFails(wanted);
  if (why === undefined) return wanted;
  throw new Error(`RUNLEDGER_SANDBOX is ${sandbox}, and bubblewrap does not work here: ${why}`);
}

/** Every engine of this process, and what they keep open. */
export class Engines {
  readonly #harnesses: Map<AgentKind, Harness>;
  readonly #models: Models;
  readonly #pool: WarmPool;

  constructor(settings: EngineSettings) {
    const limits = limitsOf(settings);
    const sandbox = sandboxOf(settings);
    this.#pool = new WarmPool(WARM_HOSTS, limits, sandbox);
    this.#models = new Models(settings);
    const all: Harness[] = [
      new LlmHarness(this.#models),
      builtinHarness,
      new CodeHarness(this.#pool),
      new ProcessHarness(limits, sandbox),
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
