import { AgentFailed, type Harness, type HarnessContext, type JsonValue } from '@runledger/harness';
import { burst } from './burst.ts';
import { tree } from './tree.ts';
import { ticker } from './ticker.ts';

const ENGINES: Record<string, (context: HarnessContext) => Promise<JsonValue>> = { burst, ticker, tree };

/** Engines compiled into the executor, chosen by the agent's `builtin`. */
export const builtinHarness: Harness = {
  engine: 'builtin',
  async run(context) {
    const name = context.agent.builtin ?? '';
    const engine = Object.hasOwn(ENGINES, name) ? ENGINES[name] : undefined;
    if (engine) return engine(context);
    throw new AgentFailed({
      code: 'builtin_unknown',
      category: 'agent',
      title: 'The agent names an engine that this executor does not have',
      detail: `"${name}" is not one of ${Object.keys(ENGINES).join(', ')}`,
      remedy: 'Correct "builtin" in the agent definition.',
      retryable: false,
    });
  },
};
