import { AgentFailed, type AgentDefinition, type HarnessContext, type JsonValue } from '@runledger/harness';

/** The tool by which a model calls the agents that its definition lists. */
export const CALL_AGENT = 'call_agent';

export function agentToolFor(
  agent: AgentDefinition,
): { description: string; input_schema: JsonValue } | undefined {
  const callable = agent.callable_agents ?? [];
  if (callable.length === 0) return undefined;
  return {
    description: 'Lets another agent do a piece of work, and gives its result.',
    input_schema: {
      type: 'object',
      properties: {
        agent_id: { type: 'string', enum: callable },
        input: { description: 'The input of that agent.' },
      },
      required: ['agent_id', 'input'],
      additionalProperties: false,
    },
  };
}

/** What the agent answered, or why it did not, for the model to read. */
export async function callAgent(
  { boundary }: HarnessContext,
  args: JsonValue,
): Promise<{ result: JsonValue; is_error: boolean }> {
  const { agent_id, input } = (typeof args === 'object' && args !== null ? args : {}) as Record<
    string,
    JsonValue
  >;
  try {
    return {
      result: await boundary.callAgent(typeof agent_id === 'string' ? agent_id : '', input ?? null),
      is_error: false,
    };
  } catch (error) {
    if (!(error instanceof AgentFailed) || error.failure.category !== 'agent') throw error;
    if (error.code === 'nondeterministic_agent') throw error;
    return { result: { code: error.code, message: error.message }, is_error: true };
  }
}
