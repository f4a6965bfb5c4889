import { isId } from '@runledger/wire';
import { z } from 'zod';
import { AgentId } from '../agents/agent-definition.ts';
import { SCOPES } from './principal.ts';

/** Asymmetric ones only: whoever can check a token must not be able to make one. */
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

const Secure = z
  .url()
  .refine(
    (text) => /^(https:|http:\/\/(localhost|127\.0\.0\.1|\[::1\])[:/])/.test(text),
    'must be https, or http on this machine',
  );

/** One issuer whose tokens are taken, and what they allow. */
const OidcIssuer = z.strictObject({
  /** Exactly as `iss` says it. */
  issuer: Secure,
  audience: z.string().min(1),
  algorithms: z.array(z.enum(ALGORITHMS)).min(1).default(['RS256']),
  /** Absent: what the issuer's discovery document says. */
  jwks_uri: Secure.optional(),
  tenant_id: z.string().refine((id) => isId('tenant_id', id), 'must match [A-Za-z0-9_-]{1,64}'),
  /** The claim that says who it is; what fits no user id is hashed. */
  user_claim: z.string().min(1).default('sub'),
  /** Claims that must be there with this value. An issuer that anyone can use (GitHub Actions) needs some. */
  claims: z.record(z.string(), z.string()).default({}),
  scopes: z.array(z.enum(SCOPES)).min(1),
  workspace_ids: z.array(z.string().refine((id) => isId('workspace_id', id))).default([]),
  agent_id: AgentId.optional(),
});
export type OidcIssuer = z.infer<typeof OidcIssuer>;

/** Throws with every fault of `RUNLEDGER_OIDC`. */
export function oidcIssuers(text: string | undefined): OidcIssuer[] {
  if (text === undefined) return [];
  const parsed = z.array(OidcIssuer).safeParse(json(text));
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`);
  throw new Error(`RUNLEDGER_OIDC is wrong: ${faults.join('; ')}`);
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
