import type { Limits } from '@runledger/run';

export interface SentLimits {
  max_turns?: number | undefined;
  max_cost_usd?: number | undefined;
  timeout_s?: number | undefined;
  max_attempts?: number | undefined;
}

const DEFAULT_MAX_ATTEMPTS = 3;

/** What the start says, else what the agent says, else no limit (three attempts). */
export function limitsOf(start: SentLimits, agent: SentLimits = {}): Limits {
  const cost = start.max_cost_usd ?? agent.max_cost_usd;
  return {
    max_turns: start.max_turns ?? agent.max_turns ?? null,
    max_cost_usd: cost === undefined ? null : decimal(cost),
    timeout_s: start.timeout_s ?? agent.timeout_s ?? null,
    max_attempts: start.max_attempts ?? agent.max_attempts ?? DEFAULT_MAX_ATTEMPTS,
  };
}

/** US dollars as a decimal string with at most six digits after the point. */
export const decimal = (usd: number): string => usd.toFixed(6).replace(/\.?0+$/, '');
