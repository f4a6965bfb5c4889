import type { AgentDefinition } from '@runledger/harness';

export function builtin(name: string): AgentDefinition {
  return { agent_id: name, name, description: '', kind: 'builtin', builtin: name };
}

/** A `code` agent of its own id, so that its revision is its own. */
export function codeAgent(
  agent_id: string,
  body: string,
  more: Partial<AgentDefinition> = {},
): AgentDefinition {
  return {
    agent_id,
    name: agent_id,
    description: '',
    kind: 'code',
    model: 'offline/echo',
    code: `export default async (input: any, tools: any) => {\n${body}\n};\n`,
    ...more,
  };
}

/** A `process` agent: a script for Node, or for sh. */
export function processAgent(
  agent_id: string,
  command: string[],
  more: Partial<AgentDefinition> = {},
): AgentDefinition {
  return { agent_id, name: agent_id, description: '', kind: 'process', command, ...more };
}
