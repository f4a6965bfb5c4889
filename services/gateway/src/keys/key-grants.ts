import { allows, type Principal, type Scope } from '../auth/principal.ts';
import { isScope } from './key-record.ts';

/** What a key may do. */
export interface Grant {
  scopes: readonly string[];
  workspace_ids: readonly string[];
  agent_id: string | undefined;
  expires_at: string | undefined;
  requests_per_min: number | null;
  max_streams: number | null;
}

export interface Excess {
  field: keyof Grant;
  detail: string;
}

/**
 * Where a grant exceeds what the credential itself has, by field; empty: it may be made. `admin` has every scope and
 * workspace of its tenant and sets limits, but neither outlives itself nor widens a per-agent key.
 */
export function excessOf(grant: Grant, maker: Principal): Excess[] {
  const admin = maker.scopes.has('admin');
  const scopes = grant.scopes.filter((scope) => !isScope(scope) || !allows(maker, scope satisfies Scope));
  const workspaces = admin ? [] : grant.workspace_ids.filter((id) => !maker.workspace_ids.includes(id));
  const found: [boolean, keyof Grant, string][] = [
    [scopes.length > 0, 'scopes', `your credential does not have ${scopes.join(', ')}`],
    [workspaces.length > 0, 'workspace_ids', `your credential is not in ${workspaces.join(', ')}`],
    [
      maker.agent_id !== undefined && grant.agent_id !== maker.agent_id,
      'agent_id',
      `your credential is of the agent ${maker.agent_id ?? ''} only`,
    ],
    [
      isLater(grant.expires_at, maker.expires_at),
      'expires_at',
      `your credential ends at ${maker.expires_at ?? ''}`,
    ],
    [
      !admin && isMore(grant.requests_per_min, maker.requests_per_min),
      'requests_per_min',
      `at most your own ${maker.requests_per_min ?? ''}`,
    ],
    [
      !admin && isMore(grant.max_streams, maker.max_streams),
      'max_streams',
      `at most your own ${maker.max_streams ?? ''}`,
    ],
  ];
  return found.filter(([exceeds]) => exceeds).map(([, field, detail]) => ({ field, detail }));
}

const isMore = (wanted: number | null, own: number | null): boolean =>
  own !== null && (wanted === null || wanted > own);

const isLater = (wanted: string | undefined, own: string | undefined): boolean =>
  own !== undefined && (wanted === undefined || Date.parse(wanted) > Date.parse(own));
