import { isId } from '@runledger/wire';
import { z } from 'zod';
import { AgentDefinitionSchema, AgentId, AgentLimits, EnvKey } from '../../agents/agent-definition.ts';

export const MAX_ENV_BYTES = 64 * 1024;
export const MAX_INLINE_AGENT_BYTES = 64 * 1024;
const MAX_LABELS = 32;
const MAX_ENV_KEYS = 100;

export const Labels = z
  .record(
    z.string().regex(/^[A-Za-z0-9._/-]{1,63}$/, 'a label key has 1-63 of A-Z a-z 0-9 . _ / -'),
    z.string().max(255),
  )
  .refine((labels) => Object.keys(labels).length <= MAX_LABELS, `at most ${MAX_LABELS} labels`);

const Env = z
  .record(EnvKey, z.string().max(32_768))
  .refine((env) => Object.keys(env).length <= MAX_ENV_KEYS, `at most ${MAX_ENV_KEYS} keys`)
  .refine(
    (env) => Buffer.byteLength(JSON.stringify(env)) <= MAX_ENV_BYTES,
    `at most ${MAX_ENV_BYTES} bytes in all`,
  );

/** The body of a start. */
export const StartRequest = z
  .strictObject({
    agent_id: AgentId.optional(),
    agent: AgentDefinitionSchema.optional(),
    input: z.unknown().default(null).meta({ description: 'Any JSON; the whole body is at most 1 MiB' }),
    env: Env.default({}).meta({ description: 'Values reach the agent and are never in the log' }),
    limits: AgentLimits.default({}),
    labels: Labels.default({}),
    priority: z.int().min(-10).max(10).default(0),
    workspace_id: z
      .string()
      .refine((value) => isId('workspace_id', value), 'must match [A-Za-z0-9_-]{1,64}')
      .optional(),
    trace: z.boolean().default(false),
  })
  .superRefine((request, context) => {
    if ((request.agent_id === undefined) === (request.agent === undefined))
      context.addIssue({
        code: 'custom',
        path: ['agent_id'],
        message: 'give either agent_id or an inline agent',
      });
    if (
      request.agent !== undefined &&
      Buffer.byteLength(JSON.stringify(request.agent)) > MAX_INLINE_AGENT_BYTES
    )
      context.addIssue({
        code: 'custom',
        path: ['agent'],
        message: `an inline agent has at most ${MAX_INLINE_AGENT_BYTES} bytes`,
      });
  });
export type StartRequest = z.infer<typeof StartRequest>;

export const StartAnswer = z.object({
  run_id: z.string(),
  status: z.string(),
  seq: z.int(),
});
export type StartAnswer = z.infer<typeof StartAnswer>;
