import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { summarise, type RunView } from '@runledger/run-views';
import { isDeepStrictEqual } from 'node:util';
import { searchText } from '../search-text.ts';

const COLUMNS = [
  'tenant_id',
  'run_id',
  'seq',
  'user_id',
  'workspace_id',
  'agent_id',
  'status',
  'parent_run_id',
  'root_run_id',
  'last_event_at',
  'search_text',
  'summary',
  'document',
] as const;

/** What later events of a run change. Indexes over the other columns are not rewritten by an update. */
const CHANGING = ['seq', 'status', 'last_event_at', 'summary', 'document'] as const;

type Row = Record<(typeof COLUMNS)[number], SQLInputValue>;

/** The statements that write views; prepared once. They run inside a transaction of the caller. */
export class ViewWriter {
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #insertLabel: StatementSync;
  readonly #remove: StatementSync;
  readonly #removeLabels: StatementSync;
  readonly #document: StatementSync;

  constructor(db: DatabaseSync) {
    const marks = COLUMNS.map(() => '?').join(', ');
    const changes = CHANGING.map((column) => `${column} = ?`).join(', ');
    this.#insert = db.prepare(
      `INSERT INTO views (${COLUMNS.join(', ')}) VALUES (${marks}) ON CONFLICT DO NOTHING`,
    );
    this.#update = db.prepare(`UPDATE views SET ${changes} WHERE tenant_id = ? AND run_id = ? AND seq = ?`);
    this.#insertLabel = db.prepare(
      'INSERT OR IGNORE INTO labels (tenant_id, label_key, label_value, run_id) VALUES (?, ?, ?, ?)',
    );
    this.#remove = db.prepare('DELETE FROM views WHERE tenant_id = ? AND run_id = ?');
    this.#document = db.prepare('SELECT document FROM views WHERE tenant_id = ? AND run_id = ?');
    this.#removeLabels = db.prepare('DELETE FROM labels WHERE tenant_id = ? AND run_id = ?');
  }

  /** Answers whether the stored view was the expected one. */
  write(view: RunView, expectedSeq: number): boolean {
    const row = rowOf(view);
    if (expectedSeq > 0)
      return (
        this.#update.run(...CHANGING.map((column) => row[column]), view.tenant_id, view.run_id, expectedSeq)
          .changes === 1
      );
    if (this.#insert.run(...COLUMNS.map((column) => row[column])).changes !== 1) return false;
    // A run's labels never change, so they are written with its first view only.
    for (const [key, value] of Object.entries(view.labels))
      this.#insertLabel.run(view.tenant_id, key, value, view.run_id);
    return true;
  }

  /** Every column, and the labels: whatever of them is wrong is right afterwards. */
  replace(view: RunView, stored: RunView): boolean {
    const { tenant_id, run_id } = view;
    const found = this.#document.get(tenant_id, run_id);
    if (!found || !isDeepStrictEqual(JSON.parse(found.document as string), stored)) return false;
    this.remove(tenant_id, run_id);
    return this.write(view, 0);
  }

  remove(tenantId: string, runId: string): void {
    this.#remove.run(tenantId, runId);
    this.#removeLabels.run(tenantId, runId);
  }
}

function rowOf(view: RunView): Row {
  return {
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
    search_text: searchText(view),
    summary: JSON.stringify(summarise(view)),
    document: JSON.stringify(view),
  };
}
