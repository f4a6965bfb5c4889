import { isId } from '@runledger/wire';
import { z } from 'zod';
import { AgentId } from '../agents/agent-definition.ts';
import { SCOPES } from '../auth/principal.ts';
import { Whole } from '../runs/run-path.ts';
import type { KeyRecord } from './key-record.ts';
import { statusOf } from './key-record.ts';

const MAX_LIMIT = 1_000_000;
const MOST_WORKSPACES = 100;
export const MAX_GRACE_S = 7 * 86_400;
export const DEFAULT_GRACE_S = 86_400;

const UserId = z.string().refine((value) => isId('user_id', value), 'must match [A-Za-z0-9_-]{1,64}');
const WorkspaceId = z
  .string()
  .refine((value) => isId('workspace_id', value), 'must match [A-Za-z0-9_-]{1,64}');
const isDistinct = (list: readonly string[]): boolean => new Set(list).size === list.length;
const Name = z
  .string()
  .min(1)
  .max(100)
  .refine((name) => !/\p{Cc}/u.test(name), 'must not hold control characters');
const Future = z.iso
  .datetime({ offset: true, abort: true })
  .refine((at) => Date.parse(at) > Date.now(), 'must be in the future');

export const CreateKeyRequest = z.strictObject({
  name: Name,
  scopes: z.array(z.enum(SCOPES)).min(1).refine(isDistinct, 'holds a scope twice'),
  workspace_ids: z
    .array(WorkspaceId)
    .max(MOST_WORKSPACES)
    .refine(isDistinct, 'holds a workspace twice')
    .default([]),
  agent_id: AgentId.optional().meta({
    description: 'The one agent that it may start, and whose runs it may use',
  }),
  user_id: UserId.optional().meta({
    description: 'Whose key it is: yourself, or with `admin` anyone of the tenant',
  }),
  expires_at: Future.optional().meta({
    description: 'RFC 3339; absent: when your own credential expires, if it does',
  }),
  requests_per_min: z.int().min(1).max(MAX_LIMIT).nullable().optional().meta({
    description: 'In each gateway; default 600, null for no limit',
  }),
  max_streams: z.int().min(1).max(MAX_LIMIT).nullable().optional().meta({
    description: 'Open at once in each gateway; default 200, null for no limit',
  }),
  env: z
    .string()
    .regex(/^[a-z]{1,16}$/, 'must be 1-16 lower-case letters')
    .default('live'),
});
export type CreateKeyRequest = z.infer<typeof CreateKeyRequest>;

export const RotateKeyRequest = z.strictObject({
  grace_s: z.int().min(0).max(MAX_GRACE_S).default(DEFAULT_GRACE_S).meta({
    description: 'How long the old secret still works',
  }),
  discard: z.enum(['previous', 'current']).optional().meta({
    description: 'Which of two live secrets ends at once, when an earlier rotation is not over',
  }),
});
export type RotateKeyRequest = z.infer<typeof RotateKeyRequest>;

export const KeyPath = z.strictObject({
  key_id: z.string().regex(/^[0-9A-Za-z]{16}$/, 'must be 16 letters and digits'),
});
export type KeyPath = z.infer<typeof KeyPath>;

export const ListKeysQuery = z.strictObject({
  user_id: UserId.optional(),
  limit: Whole(1, 100).optional(),
  cursor: z
    .string()
    .regex(/^\d{1,15}$/, 'must be a cursor of this list')
    .optional(),
});
export type ListKeysQuery = z.infer<typeof ListKeysQuery>;

export const KeyAnswer = z.object({
  key_id: z.string(),
  prefix: z.string().meta({ description: 'How the key begins' }),
  name: z.string(),
  user_id: z.string(),
  status: z.enum(['active', 'expired', 'revoked']),
  scopes: z.array(z.string()),
  workspace_ids: z.array(z.string()),
  agent_id: z.string().nullable(),
  requests_per_min: z.int().nullable(),
  max_streams: z.int().nullable(),
  created_at: z.string(),
  created_by: z.string().nullable(),
  expires_at: z.string().nullable(),
  rotated_at: z.string().nullable(),
  previous_secret_until: z.string().nullable(),
  revoked_at: z.string().nullable(),
  last_used_at: z.string().nullable().meta({ description: 'To the minute' }),
});
export type KeyAnswer = z.infer<typeof KeyAnswer>;

/** `api_key` is never shown again. */
export const NewSecretAnswer = KeyAnswer.extend({ api_key: z.string() });
export type NewSecretAnswer = z.infer<typeof NewSecretAnswer>;

export const KeyListAnswer = z.object({ keys: z.array(KeyAnswer), next_cursor: z.string().nullable() });
export type KeyListAnswer = z.infer<typeof KeyListAnswer>;

export function presentKey(record: KeyRecord, now = Date.now()): KeyAnswer {
  const { previous } = record;
  return {
    key_id: record.key_id,
    prefix: `rl_${record.env}_${record.key_id}`,
    name: record.name,
    user_id: record.user_id,
    status: statusOf(record, now),
    scopes: record.scopes,
    workspace_ids: record.workspace_ids,
    agent_id: record.agent_id ?? null,
    requests_per_min: record.requests_per_min,
    max_streams: record.max_streams,
    created_at: record.created_at,
    created_by: record.created_by ?? null,
    expires_at: record.expires_at ?? null,
    rotated_at: record.rotated_at ?? null,
    previous_secret_until: previous && Date.parse(previous.until) > now ? previous.until : null,
    revoked_at: record.revoked_at ?? null,
    last_used_at: record.last_used_at ?? null,
  };
}
