import type { Channel } from '@runledger/run';

export const SCOPES = [
  'runs:start',
  'runs:read',
  'runs:read:all',
  'runs:control',
  'approvals:decide',
  'agents:write',
  'keys:write',
  'webhooks:write',
  'data:write',
  'admin',
] as const;
export type Scope = (typeof SCOPES)[number];

/** Who asks: everything about them comes from the credential. */
export interface Principal {
  key_id: string;
  tenant_id: string;
  user_id: string;
  scopes: ReadonlySet<Scope>;
  workspace_ids: readonly string[];
  /** A per-agent key: the one agent it may start. */
  agent_id: string | undefined;
  /** What the request says it came through; of interest to people, never to a decision. */
  channel: Channel;
}

/** `admin` includes every other scope. */
export const allows = (principal: Principal, scope: Scope): boolean =>
  principal.scopes.has(scope) || principal.scopes.has('admin');
