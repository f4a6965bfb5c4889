import { AgentFailed } from '@runledger/harness';
import type { EventData } from '@runledger/run';

/** The event that says that a run has used all of its turns. */
export function turnsReached(most: number): { type: 'limit.reached'; data: EventData['limit.reached'] } {
  return { type: 'limit.reached', data: { limit: 'max_turns', value: String(most), used: String(most) } };
}

export function turnsUsed(most: number): AgentFailed {
  return new AgentFailed({
    code: 'max_turns_reached',
    category: 'limit',
    title: 'The run has used all of its turns',
    detail: `the limit is ${most} turns`,
    remedy: 'Raise limits.max_turns of the agent, or ask it for less.',
    retryable: false,
  });
}
