import type { RunSummary, RunView } from '@runledger/run-views';

export interface ListQuery {
  tenant_id: string;
  /**
   * Whose runs: those of this user, and those in one of these workspaces whoever started them.
   * Neither given: all runs of the tenant.
   */
  user_id?: string;
  workspace_ids?: string[];
  agent_id?: string;
  status?: string[];
  parent_run_id?: string;
  root_run_id?: string;
  label?: { key: string; value: string };
  /**
   * Text to find in the agent's name, the run id or a label's value; case-insensitive. A search looks at a bounded
   * number of runs per page, so a page may be short, even empty, and still have a `next_cursor`.
   */
  q?: string;
  /** Rows of a page: 1 to 100. */
  limit: number;
  /** Opaque; from `next_cursor` of the page before. */
  cursor?: string;
}

export interface InStatusOptions {
  /** Only runs whose last event is older than this stamp. */
  idle_since?: string;
  /** Strictly after this run id: the last one of the page before. */
  after_run_id?: string;
}

export interface RunInStatus {
  tenant_id: string;
  run_id: string;
  seq: number;
  status: string;
  last_event_at: string;
  parent_run_id: string | null;
}

/** Views of runs. A view is written only over the `seq` it was folded from, so two writers cannot make a hole. */
export interface ViewStore {
  get(tenantId: string, runId: string): Promise<RunView | undefined>;
  /** Writes when the stored view's `seq` is `expectedSeq` (0: there is none); answers whether it did. */
  put(view: RunView, expectedSeq: number): Promise<boolean>;
  /** The same for many views in one transaction or bulk write; answers per view. */
  putMany(writes: readonly { view: RunView; expectedSeq: number }[]): Promise<boolean[]>;
  /** Writes over this view exactly as `get` gave it (a repair may not change `seq`); answers whether it did. */
  replace(view: RunView, stored: RunView): Promise<boolean>;
  /** Newest first, by run id. Throws `InvalidCursor` on a cursor it did not make. */
  list(query: ListQuery): Promise<{ runs: RunSummary[]; next_cursor: string | null }>;
  /** Runs whose view has one of these statuses, oldest first, by run id (for sweeps). */
  inStatus(statuses: readonly string[], limit: number, options?: InStatusOptions): Promise<RunInStatus[]>;
  remove(tenantId: string, runId: string): Promise<void>;
  /** Drops every view; the store needs a rebuild afterwards. */
  clear(): Promise<void>;
  /** Whether views may be missing: the store is new, was cleared, or its schema has changed, and nobody has rebuilt it since. */
  needsRebuild(): Promise<boolean>;
  /** Says that every commit stored before the rebuild began is in the views. */
  markRebuilt(): Promise<void>;
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
