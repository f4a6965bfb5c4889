/** An API key as it is listed. Times are ISO-8601 in UTC. */
export interface ApiKey {
  key_id: string;
  /** How the key begins. */
  prefix: string;
  name: string;
  user_id: string;
  status: 'active' | 'expired' | 'revoked';
  scopes: string[];
  workspace_ids: string[];
  agent_id: string | null;
  /** `null`: no limit. */
  requests_per_min: number | null;
  max_streams: number | null;
  created_at: string;
  created_by: string | null;
  expires_at: string | null;
  rotated_at: string | null;
  previous_secret_until: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
}

/** `api_key` is the key itself, which is never shown again. */
export interface NewApiKey extends ApiKey {
  api_key: string;
}

export interface ApiKeyPage {
  keys: ApiKey[];
  next_cursor: string | null;
}

/** The body of `POST /api-keys`. A key gets no more than the credential that makes it has. */
export interface CreateApiKeyRequest {
  name: string;
  scopes: readonly string[];
  workspace_ids?: readonly string[] | undefined;
  agent_id?: string | undefined;
  user_id?: string | undefined;
  expires_at?: string | undefined;
  requests_per_min?: number | null | undefined;
  max_streams?: number | null | undefined;
  env?: string | undefined;
}

export interface RotateApiKeyRequest {
  /** Seconds for which the old secret still works; 0 to 604,800, default 86,400. */
  grace_s?: number | undefined;
  /** Which of two live secrets ends at once, when an earlier rotation is not over. */
  discard?: 'previous' | 'current' | undefined;
}
