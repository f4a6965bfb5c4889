import { AgentFailed, type AgentDefinition } from '@runledger/harness';
import type { EventData, Run } from '@runledger/run';
import type { CurrentAgent } from '../definitions/agent-definitions.ts';

/** Calls below each other: a root calls at depth 1. */
export const MAX_DEPTH = 8;

export interface WantedCall {
  agent_id: string;
  current: CurrentAgent | undefined;
  caller: AgentDefinition;
  /** Of the calling run. */
  request: EventData['run.requested'];
}

/**
 * Why an agent may not be called here; undefined when it may. An agent with `callable_agents` calls those and no
 * others. Without the list it calls any agent that is not above it already: a circle must be meant.
 */
export async function refusalOf(
  { agent_id, current, caller, request }: WantedCall,
  ancestor: (runId: string) => Promise<Run>,
): Promise<AgentFailed | undefined> {
  if (request.depth + 1 > MAX_DEPTH)
    return refused(
      'depth_limit',
      `calls are at most ${MAX_DEPTH} deep`,
      'Let fewer agents call one another, or give the work back to the caller.',
    );
  const listed = caller.callable_agents;
  if (listed && !listed.includes(agent_id))
    return refused(
      'agent_not_callable',
      `"${caller.agent_id}" may call ${listed.length === 0 ? 'no agent' : listed.join(', ')}, not "${agent_id}"`,
      'Add the agent to callable_agents of the agent definition.',
    );
  if (!current)
    return refused(
      'agent_unknown',
      `there is no agent "${agent_id}"`,
      'Correct the agent id, or store the agent first.',
    );
  if (!listed && (await isAbove(agent_id, caller, request, ancestor)))
    return refused(
      'agent_cycle',
      `"${agent_id}" has called this run already, directly or through others`,
      'If the circle is meant, name the agent in callable_agents of the agent that calls it.',
    );
  return undefined;
}

async function isAbove(
  agentId: string,
  caller: AgentDefinition,
  request: EventData['run.requested'],
  ancestor: (runId: string) => Promise<Run>,
): Promise<boolean> {
  if (caller.agent_id === agentId) return true;
  for (let parent: { run_id: string } | null | undefined = request.parent; parent;) {
    const run: Run = await ancestor(parent.run_id);
    if (run.agent_id === agentId) return true;
    parent = run.parent;
  }
  return false;
}

function refused(code: string, detail: string, remedy: string): AgentFailed {
  return new AgentFailed({
    code,
    category: 'agent',
    title: 'The agent may not call this agent',
    detail,
    remedy,
    retryable: false,
  });
}
