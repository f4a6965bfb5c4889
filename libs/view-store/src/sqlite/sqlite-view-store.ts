import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { RunSummary, RunView } from '@runledger/run-views';
import {
  InvalidCursor,
  ViewsUnavailable,
  type InStatusOptions,
  type ListQuery,
  type RunInStatus,
  type ViewStore,
} from '../port.ts';
import { listRuns } from './list-runs.ts';
import { prepareSchema } from './schema.ts';
import { ViewWriter } from './write-views.ts';

/** How long a write waits, in milliseconds, for another process of this machine that is writing. Readers never wait. */
const BUSY_TIMEOUT_MS = 2_000;

/**
 * Views in one SQLite file, made with its folder when it is not there. Several processes of one machine may have it
 * open. Views are a cache, so a power cut may cost the last writes, never the file's soundness.
 */
export async function openSqliteViewStore(options: { file: string }): Promise<ViewStore> {
  return inStore(() => {
    mkdirSync(dirname(options.file), { recursive: true });
    const db = new DatabaseSync(options.file, { timeout: BUSY_TIMEOUT_MS });
    try {
      // What a view held before is overwritten, not only freed: an erased run must not stay behind in free pages.
      db.exec('PRAGMA secure_delete = ON');
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768');
      prepareSchema(db);
      return new SqliteViewStore(db);
    } catch (error) {
      db.close();
      throw error;
    }
  });
}

class SqliteViewStore implements ViewStore {
  readonly #db: DatabaseSync;
  readonly #writer: ViewWriter;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#writer = new ViewWriter(db);
  }

  async get(tenantId: string, runId: string): Promise<RunView | undefined> {
    return inStore(() => {
      const row = this.#db
        .prepare('SELECT document FROM views WHERE tenant_id = ? AND run_id = ?')
        .get(tenantId, runId);
      return row && (JSON.parse(row.document as string) as RunView);
    });
  }

  async put(view: RunView, expectedSeq: number): Promise<boolean> {
    const [written] = await this.putMany([{ view, expectedSeq }]);
    return written === true;
  }

  async putMany(writes: readonly { view: RunView; expectedSeq: number }[]): Promise<boolean[]> {
    if (writes.length === 0) return [];
    return this.#transaction(() =>
      writes.map(({ view, expectedSeq }) => this.#writer.write(view, expectedSeq)),
    );
  }

  async replace(view: RunView, stored: RunView): Promise<boolean> {
    return this.#transaction(() => this.#writer.replace(view, stored));
  }

  async list(query: ListQuery): Promise<{ runs: RunSummary[]; next_cursor: string | null }> {
    return inStore(() => listRuns(this.#db, query));
  }

  async inStatus(
    statuses: readonly string[],
    limit: number,
    options: InStatusOptions = {},
  ): Promise<RunInStatus[]> {
    // '~' is above every stamp.
    const { after_run_id: after = '', idle_since: idleSince = '~' } = options;
    return inStore(() => {
      const statement = this.#db.prepare(
        `SELECT tenant_id, run_id, seq, status, last_event_at, parent_run_id FROM views INDEXED BY views_in_status
         WHERE status = ? AND run_id > ? AND last_event_at < ? ORDER BY run_id LIMIT ?`,
      );
      return [...new Set(statuses)]
        .flatMap((status) => statement.all(status, after, idleSince, limit) as unknown as RunInStatus[])
        .sort((a, b) => (a.run_id < b.run_id ? -1 : 1))
        .slice(0, limit);
    });
  }

  /** The bytes are gone too when this resolves: from the file, and from the write-ahead log beside it. */
  async remove(tenantId: string, runId: string): Promise<void> {
    await this.#transaction(() => this.#writer.remove(tenantId, runId));
    const emptied = inStore(() => this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get());
    if (emptied?.busy !== 0)
      throw new ViewsUnavailable('the write-ahead log is being read: the view is removed, its bytes are not');
  }

  async clear(): Promise<void> {
    await this.#transaction(() =>
      this.#db.exec('DELETE FROM views; DELETE FROM labels; UPDATE store SET needs_rebuild = 1'),
    );
  }

  async needsRebuild(): Promise<boolean> {
    return inStore(() => this.#db.prepare('SELECT needs_rebuild FROM store').get()?.needs_rebuild !== 0);
  }

  async markRebuilt(): Promise<void> {
    await this.#transaction(() => this.#db.exec('UPDATE store SET needs_rebuild = 0'));
  }

  async ping(): Promise<void> {
    inStore(() => this.#db.prepare('SELECT needs_rebuild FROM store').get());
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
  }

  async #transaction<T>(work: () => T): Promise<T> {
    return inStore(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        this.#db.exec('COMMIT');
        return result;
      } catch (error) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }
}

/** SQLite's own errors (busy, full disk, closed) are a Fault; everything else is passed on. */
function inStore<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof InvalidCursor) throw cause;
    const code = (cause as { code?: unknown } | null)?.code;
    if (code !== 'ERR_SQLITE_ERROR' && code !== 'ERR_INVALID_STATE') throw cause;
    throw new ViewsUnavailable(`the view store cannot answer: ${(cause as Error).message}`, { cause });
  }
}
