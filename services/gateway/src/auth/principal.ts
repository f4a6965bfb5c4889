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

/** What a request was let in with. It is looked at again for as long as an answer lasts. */
export type Credential =
  | { kind: 'key'; hmac: string }
  | {
      kind: 'session';
      session_id: string;
      csrf_token: string;
      /** Of the session. */
      expires_at: string;
      /** Of the key's secret that opened it; undefined: a token did. */
      secret_hmac: string | undefined;
    }
  | { kind: 'token'; expires_at: string };

/** Who asks: everything about them comes from the credential. */
export interface Principal {
  /** Of the API key, also when a session stands in for it; of a token, a name made of its issuer and subject. */
  key_id: string;
  tenant_id: string;
  user_id: string;
  scopes: ReadonlySet<Scope>;
  workspace_ids: readonly string[];
  /** A per-agent key: the one agent that it may start, and whose runs it may use. */
  agent_id: string | undefined;
  /** RFC 3339; undefined: the key does not expire. */
  expires_at: string | undefined;
  /** null: no limit. */
  requests_per_min: number | null;
  /** Open at once; null: no limit. */
  max_streams: number | null;
  credential: Credential;
  /** What the request says it came through; of interest to people, never to a decision. */
  channel: Channel;
}

/** `admin` includes every other scope. */
export const allows = (principal: Pick<Principal, 'scopes'>, scope: Scope): boolean =>
  principal.scopes.has(scope) || principal.scopes.has('admin');
