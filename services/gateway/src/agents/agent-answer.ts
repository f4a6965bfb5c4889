import { z } from 'zod';
import type { StoredAgent } from './agent-catalogue.ts';

const Json = z.unknown().meta({ description: 'Any JSON' });

/** An agent as it is answered: its definition without the values of its environment, which are secrets. */
export const AgentAnswer = z.object({
  agent_id: z.string(),
  name: z.string(),
  description: z.string(),
  kind: z.string(),
  revision: z.int(),
  sha256: z.string(),
  instructions: z.string().optional(),
  model: z.string().optional(),
  llm_settings: Json.optional(),
  tools: z.array(Json).optional(),
  input_schema: Json.optional(),
  output_schema: Json.optional(),
  env_vars: z.array(z.object({ key: z.string(), description: z.string().optional() })).optional(),
  limits: Json.optional(),
  builtin: z.string().optional(),
  code: z.string().optional(),
  command: z.array(z.string()).optional(),
  callable_agents: z.array(z.string()).optional(),
});

export const AgentList = z.object({ agents: z.array(AgentAnswer) });

export function presentAgent(agent: StoredAgent): z.infer<typeof AgentAnswer> {
  const { env_vars, ...definition } = agent.definition;
  return {
    ...definition,
    ...(env_vars === undefined
      ? {}
      : {
          env_vars: env_vars.map(({ key, description }) => ({
            key,
            ...(description === undefined ? {} : { description }),
          })),
        }),
    revision: agent.revision,
    sha256: agent.sha256,
  };
}
