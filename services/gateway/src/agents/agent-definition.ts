import type { AgentDefinition } from '@runledger/harness';
import { isId } from '@runledger/wire';
import { z } from 'zod';

const text = (max: number) => z.string().max(max);
const schema = z.union([z.record(z.string(), z.unknown()), z.boolean()], {
  error: 'must be a JSON Schema (an object or a boolean)',
});
const envKey = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
    'must be a name of letters, digits and _, not beginning with a digit',
  );

export const AgentId = z
  .string()
  .refine((value) => isId('agent_id', value), 'must match [a-z0-9][a-z0-9-]{0,63}')
  .meta({ pattern: '^[a-z0-9][a-z0-9-]{0,63}$' });

export const AgentLimits = z.strictObject({
  max_turns: z.int().min(1).max(10_000).optional(),
  max_cost_usd: z.number().min(0.000001).max(1_000_000).optional(),
  timeout_s: z.int().min(1).max(604_800).optional(),
  max_attempts: z.int().min(1).max(20).optional(),
});

/** `on_budget`: what a run does at its cap: wait for a higher one (the default), or fail. */
const DefinedLimits = AgentLimits.extend({ on_budget: z.enum(['wait', 'fail']).optional() });

const Tool = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must match [A-Za-z0-9_-]{1,64}'),
  kind: z.enum(['http', 'builtin', 'mcp']),
  description: text(4_000).optional(),
  input_schema: schema.optional(),
  idempotent: z.boolean().optional(),
  url: z
    .url({ protocol: /^https?$/ })
    .max(2_000)
    .optional(),
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).optional(),
});

const ModelSettings = z.strictObject({
  max_tokens: z.int().min(1).max(10_000_000).optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().min(0).max(1).optional(),
  reasoning_effort: text(32).optional(),
});

const Fields = z.strictObject({
  agent_id: AgentId,
  name: z.string().min(1).max(200),
  description: text(4_000),
  kind: z.enum(['llm', 'builtin', 'code', 'process', 'http', 'pi']),
  instructions: text(64_000).optional(),
  model: z
    .string()
    .regex(/^[^\s/]+\/\S+$/, 'must be provider/model')
    .max(200)
    .optional(),
  llm_settings: z.strictObject({ per_model: z.record(text(200), ModelSettings) }).optional(),
  tools: z.array(Tool).max(128).optional(),
  input_schema: schema.optional(),
  output_schema: schema.optional(),
  env_vars: z
    .array(z.strictObject({ key: envKey, value: text(32_768), description: text(1_000).optional() }))
    .max(100)
    .optional(),
  limits: DefinedLimits.optional(),
  builtin: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, 'must be the name of an engine')
    .optional(),
  code: text(512_000).optional(),
  command: z.array(z.string().min(1).max(4_096)).min(1).max(64).optional(),
  callable_agents: z.array(AgentId).max(100).optional(),
});

/** What each kind cannot do without. */
const NEEDS: Record<AgentDefinition['kind'], readonly ('model' | 'builtin' | 'code' | 'command')[]> = {
  llm: ['model'],
  builtin: ['builtin'],
  code: ['code'],
  process: ['command'],
  http: [],
  pi: [],
};

/** An agent as people send it; every fault is named. */
export const AgentDefinitionSchema = Fields.superRefine((agent, context) => {
  for (const field of NEEDS[agent.kind])
    if (agent[field] === undefined)
      context.addIssue({
        code: 'custom',
        path: [field],
        message: `an agent of kind ${agent.kind} needs ${field}`,
      });
  agent.tools?.forEach((tool, index) => {
    if (tool.kind === 'http' && tool.url === undefined)
      context.addIssue({
        code: 'custom',
        path: ['tools', index, 'url'],
        message: 'a tool of kind http needs url',
      });
  });
});

export type SentAgent = z.infer<typeof Fields>;
export { envKey as EnvKey };
