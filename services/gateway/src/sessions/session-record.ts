import { z } from 'zod';
import { SCOPES } from '../auth/principal.ts';

/** The value in bucket `sessions` under the session id. Times are RFC 3339. */
export const SessionRecord = z.object({
  session_id: z.string(),
  tenant_id: z.string(),
  user_id: z.string(),
  /** Of the cookie. */
  hmac: z.string(),
  created_at: z.string(),
  expires_at: z.string(),
  /** The session ends with the secret of the key, or says itself who it is when a token opened it. */
  opened_with: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('key'), key_id: z.string(), hmac: z.string() }),
    z.object({
      kind: z.literal('token'),
      key_id: z.string(),
      scopes: z.array(z.enum(SCOPES)),
      workspace_ids: z.array(z.string()),
      agent_id: z.string().optional(),
      expires_at: z.string(),
    }),
  ]),
});
export type SessionRecord = z.infer<typeof SessionRecord>;
