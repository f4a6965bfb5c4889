import type { RunSummary } from '@runledger/run-views';
import type { Abortable, Collection, Condition, Filter, FindOptions } from 'mongodb';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ListQuery } from '../port.ts';
import { PAGE_INDEXES } from './schema.ts';
import { labelText, type StoredView } from './stored-view.ts';

type Conditions = Record<string, Condition<string>>;
type Row = Pick<StoredView, 'run_id' | 'summary'>;

export interface ListOptions extends Abortable {
  /** Runs that one page looks at when it searches text, or combines filters that no index has together. */
  lookedAtPerPage: number;
}

interface Page extends ListOptions {
  before: string | null;
  limit: number;
}

/** A walk down one index in the page's order. */
interface Branch {
  rows: Row[];
  /** The last run id looked at, when the walk goes on after it. */
  cut: string | null;
}

/**
 * A page is merged from two walks at most: the user's runs, and those of the workspaces. What the walk's index does not
 * hold is looked at in a bounded number of runs, and the page ends where the first cut walk ends.
 */
export async function listRuns(
  views: Collection<StoredView>,
  query: ListQuery,
  options: ListOptions,
): Promise<{ runs: RunSummary[]; next_cursor: string | null }> {
  const limit = Math.min(Math.max(Math.trunc(query.limit) || 1, 1), 100);
  const before = query.cursor === undefined ? null : decodeCursor(query.cursor);
  const page = { ...options, before, limit };
  const branches = await Promise.all(owners(query).map((owner) => walk(views, query, owner, page)));
  const floor = branches.reduce<string>((high, { cut }) => (cut !== null && cut > high ? cut : high), '');
  const merged = new Map(
    branches
      .flatMap(({ rows }) => rows)
      .filter((row) => row.run_id >= floor)
      .map((row) => [row.run_id, row.summary]),
  );
  const rows = [...merged].sort(([a], [b]) => (a < b ? 1 : -1));
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1)?.[0] : floor;
  return {
    runs: shown.map(([, summary]) => JSON.parse(summary) as RunSummary),
    next_cursor: last ? encodeCursor(last) : null,
  };
}

/** Every value stands in an operator of ours, so that none can be one itself. */
const is = (value: string): Condition<string> => ({ $eq: value });

function owners({ user_id, workspace_ids }: ListQuery): Conditions[] {
  if (user_id === undefined && workspace_ids === undefined) return [{}];
  return [
    ...(user_id === undefined ? [] : [{ user_id: is(user_id) }]),
    ...(workspace_ids?.length ? [{ workspace_id: { $in: workspace_ids } }] : []),
  ];
}

async function walk(
  views: Collection<StoredView>,
  query: ListQuery,
  owner: Conditions,
  { before, limit, lookedAtPerPage, ...abortable }: Page,
): Promise<Branch> {
  const { hint, walked, looked } = planOf(query, owner);
  const range = (conditions: Conditions): Filter<StoredView> => ({
    ...walked,
    ...conditions,
    ...looked,
  });
  const older = before === null ? {} : { $lt: before };
  const options = { ...abortable, hint, sort: { run_id: -1 } as const };
  const cut =
    Object.keys(looked).length === 0
      ? null
      : await lastLookedAt(
          views,
          { ...walked, ...(before !== null && { run_id: older }) },
          { ...options, skip: lookedAtPerPage - 1 },
        );
  const newer = cut === null ? older : { ...older, $gte: cut };
  const rows = await views
    .find<Row>(range(Object.keys(newer).length > 0 ? { run_id: newer } : {}), {
      ...options,
      limit: limit + 1,
      projection: { _id: 0, run_id: 1, summary: 1 },
    })
    .toArray();
  return { rows, cut: rows.length > limit ? null : cut };
}

/** The run at which a page that filters what it walks has looked at enough; null when the walk ends before. */
async function lastLookedAt(
  views: Collection<StoredView>,
  walked: Filter<StoredView>,
  options: FindOptions & Abortable,
): Promise<string | null> {
  const [last] = await views
    .find<Pick<StoredView, 'run_id'>>(walked, {
      ...options,
      limit: 1,
      projection: { _id: 0, run_id: 1 },
    })
    .toArray();
  return last?.run_id ?? null;
}

/** The first index that has a condition for all it holds drives the walk; every other condition is looked at per run. */
export function planOf(
  query: ListQuery,
  owner: Conditions,
): { hint: string; walked: Conditions; looked: Conditions } {
  const conditions: Conditions = { ...owner, ...filtersOf(query) };
  const [hint, columns] =
    Object.entries<readonly string[]>(PAGE_INDEXES).find(([, held]) =>
      held.every((column) => column in conditions),
    ) ?? (['views_by_tenant', []] as const);
  const entries = Object.entries(conditions);
  return {
    hint,
    walked: {
      tenant_id: is(query.tenant_id),
      ...Object.fromEntries(entries.filter(([column]) => columns.includes(column))),
    },
    looked: Object.fromEntries(entries.filter(([column]) => !columns.includes(column))),
  };
}

function filtersOf({ agent_id, parent_run_id, root_run_id, status, label, q }: ListQuery): Conditions {
  return {
    ...(agent_id !== undefined && { agent_id: is(agent_id) }),
    ...(parent_run_id !== undefined && { parent_run_id: is(parent_run_id) }),
    ...(root_run_id !== undefined && { root_run_id: is(root_run_id) }),
    ...(status !== undefined && { status: { $in: [...new Set(status)] } }),
    ...(label !== undefined && { labels: is(labelText(label.key, label.value)) }),
    ...(q !== undefined && { search_text: { $regex: literal(q.toLowerCase()) } }),
  };
}

/** A pattern that matches this text alone. */
const literal = (text: string): string =>
  text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`).replaceAll('\0', String.raw`\x00`);
