import { summarise, type RunView } from '@runledger/run-views';
import { searchText } from '../search-text.ts';

/**
 * A view as it is stored. What people wrote (input, result, names) is kept as JSON text: BSON would refuse some of it
 * (depth, keys) and change some (numbers), and no text is ever an operator.
 */
export interface StoredView {
  /** `<tenant_id>/<run_id>` */
  _id: string;
  tenant_id: string;
  run_id: string;
  seq: number;
  user_id: string;
  workspace_id: string | null;
  agent_id: string;
  status: string;
  parent_run_id: string | null;
  root_run_id: string;
  last_event_at: string;
  /** See `labelText`. */
  labels: string[];
  search_text: string;
  /** JSON of the RunSummary. */
  summary: string;
  /** JSON of the RunView. */
  document: string;
}

export const viewId = (tenantId: string, runId: string): string => `${tenantId}/${runId}`;

/** One text for key and value, which no other pair has. */
export const labelText = (key: string, value: string): string => JSON.stringify([key, value]);

export function storedView(view: RunView): StoredView {
  return {
    _id: viewId(view.tenant_id, view.run_id),
    tenant_id: view.tenant_id,
    run_id: view.run_id,
    seq: view.seq,
    user_id: view.user_id,
    workspace_id: view.workspace_id,
    agent_id: view.agent_id,
    status: view.status,
    parent_run_id: view.parent_run_id,
    root_run_id: view.root_run_id,
    last_event_at: view.last_event_at,
    labels: Object.entries(view.labels).map(([key, value]) => labelText(key, value)),
    search_text: searchText(view),
    summary: JSON.stringify(summarise(view)),
    document: JSON.stringify(view),
  };
}
