import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openSqliteViewStore, openViewStore, ViewsUnavailable } from '../src/index.ts';
import { rangeSql } from '../src/sqlite/range-sql.ts';
import { runId, sampleView } from './sample-views.ts';
import { viewStoreContract } from './view-store.contract.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'runledger-views-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let contractFolder: string;
viewStoreContract('SQLite', {
  lookedAtPerPage: 5_000,
  open: async () => {
    contractFolder = await mkdtemp(join(tmpdir(), 'runledger-views-'));
    const file = join(contractFolder, 'not', 'there', 'yet', 'views.sqlite');
    return [await openSqliteViewStore({ file }), await openSqliteViewStore({ file })];
  },
  removeEverything: () => rm(contractFolder, { recursive: true, force: true }),
});

describe('the SQLite file', () => {
  it('keeps views over a close', async () => {
    const file = join(folder, 'kept.sqlite');
    const before = await openSqliteViewStore({ file });
    expect(await before.needsRebuild()).toBe(true);
    await before.put(sampleView(1), 0);
    await before.markRebuilt();
    await before.close();
    const after = await openSqliteViewStore({ file });
    expect(await after.get('acme', runId(1))).toEqual(sampleView(1));
    expect(await after.needsRebuild()).toBe(false);
    await after.close();
  });

  it('is emptied, and due for a rebuild, when its schema is of another version', async () => {
    const file = join(folder, 'old.sqlite');
    const before = await openSqliteViewStore({ file });
    await before.put(sampleView(1, { labels: { a: 'b' } }), 0);
    await before.markRebuilt();
    await before.close();
    const raw = new DatabaseSync(file);
    raw.exec('ALTER TABLE views DROP COLUMN search_text; PRAGMA user_version = 4711');
    raw.close();
    const after = await openSqliteViewStore({ file });
    expect(await after.get('acme', runId(1))).toBeUndefined();
    expect(await after.needsRebuild()).toBe(true);
    expect(await after.put(sampleView(1, { labels: { a: 'b' } }), 0)).toBe(true);
    await after.close();
  });

  it('that is no database is refused as unavailable', async () => {
    const file = join(folder, 'text.sqlite');
    await writeFile(file, 'this is not a database, however long it may be: '.repeat(100));
    await expect(openSqliteViewStore({ file })).rejects.toBeInstanceOf(ViewsUnavailable);
  });

  it('when closed answers with a fault', async () => {
    const store = await openSqliteViewStore({ file: join(folder, 'closed.sqlite') });
    await store.close();
    await store.close();
    await expect(store.get('acme', runId(1))).rejects.toMatchObject({
      kind: 'fault',
      code: 'views_unavailable',
    });
    await expect(store.put(sampleView(1), 0)).rejects.toBeInstanceOf(ViewsUnavailable);
  });

  it('is read while another process holds the write lock, and written after it', async () => {
    const file = join(folder, 'locked.sqlite');
    const store = await openSqliteViewStore({ file });
    await store.put(sampleView(1), 0);
    const holder = spawn(process.execPath, ['--input-type=module', '-e', HOLD_LOCK, file], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    expect(await store.get('acme', runId(1))).toEqual(sampleView(1));
    await expect(store.put(sampleView(2), 0)).rejects.toBeInstanceOf(ViewsUnavailable);
    holder.stdin.end();
    await once(holder, 'exit');
    expect(await store.put(sampleView(2), 0)).toBe(true);
    await store.close();
  });
});

const HOLD_LOCK = `
  import { DatabaseSync } from 'node:sqlite';
  const db = new DatabaseSync(process.argv[1]);
  db.exec('BEGIN IMMEDIATE');
  process.stdin.on('end', () => { db.exec('ROLLBACK'); db.close(); }).resume();
  console.log('held');
`;

describe('the plan of a list', () => {
  it.each([
    [{}, {}, 'sqlite_autoindex_views_1 (tenant_id=? AND run_id<?)'],
    [{}, { user_id: 'a' }, 'views_by_user (tenant_id=? AND user_id=? AND run_id<?)'],
    [
      {},
      { user_id: 'a', status: 's' },
      'views_by_user_status (tenant_id=? AND user_id=? AND status=? AND run_id<?)',
    ],
    [
      { agent_id: 'x' },
      { user_id: 'a' },
      'views_by_user_agent (tenant_id=? AND user_id=? AND agent_id=? AND run_id<?)',
    ],
    [{}, { workspace_id: 'w' }, 'views_by_workspace (tenant_id=? AND workspace_id=? AND run_id<?)'],
    [{}, { status: 's' }, 'views_by_status (tenant_id=? AND status=? AND run_id<?)'],
    [{ agent_id: 'x' }, {}, 'views_by_agent (tenant_id=? AND agent_id=? AND run_id<?)'],
    [
      { parent_run_id: 'p' },
      { user_id: 'a' },
      'views_by_parent (tenant_id=? AND parent_run_id=? AND run_id<?)',
    ],
    [{ root_run_id: 'r' }, {}, 'views_by_root (tenant_id=? AND root_run_id=? AND run_id<?)'],
    [
      { label: { key: 'k', value: 'v' } },
      { user_id: 'a' },
      'PRIMARY KEY (tenant_id=? AND label_key=? AND label_value=? AND run_id<?)',
    ],
  ])('for %j of %j is a walk down an index, without a sort', async (filters, range, plan) => {
    const file = join(folder, 'plans.sqlite');
    await (await openSqliteViewStore({ file })).close();
    const db = new DatabaseSync(file);
    const { sql, parameters } = rangeSql({ tenant_id: 'acme', limit: 10, ...filters }, range, runId(9));
    const steps = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters);
    db.close();
    const text = steps.map((step) => String(step.detail)).join('\n');
    expect(text).toContain(plan);
    expect(text).not.toMatch(/SCAN|TEMP B-TREE/);
  });
});

describe('openViewStore', () => {
  it('keeps views.sqlite in the data folder', async () => {
    const store = await openViewStore({ home: join(folder, 'home') });
    await store.ping();
    await store.close();
    const again = await openSqliteViewStore({ file: join(folder, 'home', 'views.sqlite') });
    await again.ping();
    await again.close();
  });
});
