import { z } from 'zod';
import { SCOPES } from '../auth/principal.ts';

const hex = z.string().regex(/^[0-9a-f]{64}$/);

/** The value in bucket `api-keys` under the key id. Unknown fields are kept by whoever rewrites it. */
export const KeyRecord = z.looseObject({
  key_id: z.string(),
  tenant_id: z.string(),
  user_id: z.string(),
  name: z.string(),
  hmac: hex,
  scopes: z.array(z.string()),
  workspace_ids: z.array(z.string()),
  agent_id: z.string().optional(),
  created_at: z.string(),
  expires_at: z.string().optional(),
  revoked_at: z.string().optional(),
});
export type KeyRecord = z.infer<typeof KeyRecord>;

export const isScope = (text: string): text is (typeof SCOPES)[number] =>
  (SCOPES as readonly string[]).includes(text);
