import type { DatabaseSync } from 'node:sqlite';
import type { RunSummary } from '@runledger/run-views';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ListQuery } from '../port.ts';
import { rangeSql, type Equalities } from './range-sql.ts';

/** Runs that one page looks at when it searches text, or combines filters that no index has together. */
const LOOKED_AT_PER_PAGE = 5_000;

interface Row {
  run_id: string;
  summary: string;
  found: number;
}

/** A range of one index in the page's order: rows that a filter leaves out still come, with `found` 0. */
interface Branch {
  rows: Row[];
  /** The last run id looked at, when the range goes on after it. */
  cut: string | null;
}

/**
 * A page is merged from branches: one per owner (the user, each workspace) and status, each of them a walk down an
 * index from the cursor. Every branch is cut at a bound, and the page ends where the first cut one ends.
 */
export function listRuns(
  db: DatabaseSync,
  query: ListQuery,
): { runs: RunSummary[]; next_cursor: string | null } {
  const limit = Math.min(Math.max(Math.trunc(query.limit) || 1, 1), 100);
  const before = query.cursor === undefined ? null : decodeCursor(query.cursor);
  const branches = ranges(query).map((range) => walk(db, query, { range, before, limit }));
  const floor = branches.reduce<string>((high, { cut }) => (cut !== null && cut > high ? cut : high), '');
  const merged = new Map(
    branches
      .flatMap(({ rows }) => rows)
      .filter((row) => row.run_id >= floor)
      .map((row) => [row.run_id, row.summary]),
  );
  const rows = [...merged].sort(([a], [b]) => (a < b ? 1 : -1));
  const page = rows.slice(0, limit);
  const runs = page.map(([, summary]) => JSON.parse(summary) as RunSummary);
  const last = rows.length > limit ? page.at(-1)?.[0] : floor;
  return { runs, next_cursor: last ? encodeCursor(last) : null };
}

/** The equalities of each branch, without the filters that all share. */
function ranges(query: ListQuery): Equalities[] {
  const owners: Equalities[] = (query.workspace_ids ?? []).map((workspace_id) => ({ workspace_id }));
  if (query.user_id !== undefined) owners.push({ user_id: query.user_id });
  if (query.user_id === undefined && query.workspace_ids === undefined) owners.push({});
  const statuses: Equalities[] = query.status
    ? [...new Set(query.status)].map((status) => ({ status }))
    : [{}];
  return owners.flatMap((owner) => statuses.map((status) => ({ ...owner, ...status })));
}

function walk(
  db: DatabaseSync,
  query: ListQuery,
  page: { range: Equalities; before: string | null; limit: number },
): Branch {
  const { sql, parameters } = rangeSql(query, page.range, page.before);
  const branch: Branch = { rows: [], cut: null };
  let looked = 0;
  for (const item of db.prepare(sql).iterate(...parameters)) {
    const row = item as unknown as Row;
    looked += 1;
    if (row.found) branch.rows.push(row);
    if (branch.rows.length > page.limit) break;
    if (looked >= LOOKED_AT_PER_PAGE) {
      branch.cut = row.run_id;
      break;
    }
  }
  return branch;
}
