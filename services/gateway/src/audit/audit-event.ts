import { z } from 'zod';

/** Who did it: a user through a key, or whoever set the cell up. */
const Actor = z.object({
  user_id: z.string(),
  key_id: z.string(),
  credential: z.enum(['key', 'session', 'token']),
});

export const AUDIT_TYPES = [
  'key.created',
  'key.rotated',
  'key.revoked',
  'key.refused',
  'session.opened',
  'session.closed',
] as const;

/** One line of the trail: what happened to which key. Times are RFC 3339. */
export const AuditEvent = z.object({
  event_id: z.string().meta({ description: 'The same event may be there twice, with the same id' }),
  at: z.string(),
  type: z.enum(AUDIT_TYPES),
  key_id: z.string(),
  name: z.string(),
  user_id: z.string().meta({ description: 'Whose key it is' }),
  agent_id: z.string().nullable(),
  by: Actor.nullable().meta({ description: 'null: the setup of the cell, or, for refusals, nobody known' }),
  data: z.record(z.string(), z.unknown()).meta({
    description: 'What was granted, until when the old secret lives, or how often a use was refused and why',
  }),
});
export type AuditEvent = z.infer<typeof AuditEvent>;
export type Actor = z.infer<typeof Actor>;
