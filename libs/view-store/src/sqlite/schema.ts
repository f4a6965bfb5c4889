import type { DatabaseSync } from 'node:sqlite';

/** Raised with every change below or of what a view holds: another version in the file is dropped and built again. */
export const SCHEMA_VERSION = 2;

// `document` comes last: a row's big values lie on pages of their own, which a list never has to read.
const TABLES = `
  CREATE TABLE views (
    tenant_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    workspace_id TEXT,
    agent_id TEXT NOT NULL,
    status TEXT NOT NULL,
    parent_run_id TEXT,
    root_run_id TEXT NOT NULL,
    last_event_at TEXT NOT NULL,
    search_text TEXT NOT NULL,
    summary TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant_id, run_id)
  );
  CREATE TABLE labels (
    tenant_id TEXT NOT NULL,
    label_key TEXT NOT NULL,
    label_value TEXT NOT NULL,
    run_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, label_key, label_value, run_id)
  ) WITHOUT ROWID;
  CREATE INDEX labels_of_run ON labels (tenant_id, run_id);
  CREATE TABLE store (needs_rebuild INTEGER NOT NULL);
  INSERT INTO store VALUES (1);
`;

// Each begins with what is compared for equality and ends with the order of a page.
const INDEXES = `
  CREATE INDEX views_by_user ON views (tenant_id, user_id, run_id);
  CREATE INDEX views_by_user_status ON views (tenant_id, user_id, status, run_id);
  CREATE INDEX views_by_user_agent ON views (tenant_id, user_id, agent_id, run_id);
  CREATE INDEX views_by_workspace ON views (tenant_id, workspace_id, run_id) WHERE workspace_id IS NOT NULL;
  CREATE INDEX views_by_status ON views (tenant_id, status, run_id);
  CREATE INDEX views_by_agent ON views (tenant_id, agent_id, run_id);
  CREATE INDEX views_by_parent ON views (tenant_id, parent_run_id, run_id) WHERE parent_run_id IS NOT NULL;
  CREATE INDEX views_by_root ON views (tenant_id, root_run_id, run_id);
  CREATE INDEX views_in_status ON views (status, run_id, last_event_at, tenant_id, seq);
`;

/** Makes the tables, or makes them anew when the file has those of another version. */
export function prepareSchema(db: DatabaseSync): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    const { user_version } = db.prepare('PRAGMA user_version').get() as { user_version: number };
    if (user_version !== SCHEMA_VERSION) {
      for (const table of ['views', 'labels', 'store']) db.exec(`DROP TABLE IF EXISTS ${table}`);
      db.exec(TABLES);
      db.exec(INDEXES);
      db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    }
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}
