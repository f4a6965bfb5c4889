import type { RunSummary, RunView } from '@runledger/run-views';

export interface ListQuery {
  tenant_id: string;
  /** Absent: all users of the tenant. */
  user_id?: string;
  workspace_ids?: string[];
  agent_id?: string;
  status?: string[];
  parent_run_id?: string;
  root_run_id?: string;
  label?: { key: string; value: string };
  /** Text to find in the agent's name, the run id or a label's value; case-insensitive. */
  q?: string;
  limit: number;
  /** Opaque; from `next_cursor` of the page before. */
  cursor?: string;
}

/** Views of runs. A view is written only over the `seq` it was folded from, so two writers cannot make a hole. */
export interface ViewStore {
  get(tenantId: string, runId: string): Promise<RunView | undefined>;
  /** Writes when the stored view's `seq` is `expectedSeq` (0: there is none); answers whether it did. */
  put(view: RunView, expectedSeq: number): Promise<boolean>;
  /** The same for many views in one transaction or bulk write; answers per view. */
  putMany(writes: readonly { view: RunView; expectedSeq: number }[]): Promise<boolean[]>;
  /** Newest first, by run id. Throws `InvalidCursor` on a cursor it did not make. */
  list(query: ListQuery): Promise<{ runs: RunSummary[]; next_cursor: string | null }>;
  /** Ids of runs whose view has one of these statuses, oldest first (for sweeps). */
  inStatus(statuses: readonly string[], limit: number): Promise<{ tenant_id: string; run_id: string; seq: number }[]>;
  remove(tenantId: string, runId: string): Promise<void>;
  /** Drops every view. */
  clear(): Promise<void>;
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** The store cannot answer now. A Fault. */
export class ViewsUnavailable extends Error {
  readonly kind = 'fault';
  readonly code = 'views_unavailable';
}

/** The cursor was not made by this store. */
export class InvalidCursor extends Error {
  readonly code = 'invalid_cursor';
}
