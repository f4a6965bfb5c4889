import type { SQLInputValue } from 'node:sqlite';
import type { ListQuery } from '../port.ts';

/** Column → the value that it must have. */
export type Equalities = Record<string, string>;

/** Most selective first: the first index whose columns all have a value drives the walk. */
const INDEXES: readonly (readonly [name: string, ...columns: string[]])[] = [
  ['views_by_parent', 'parent_run_id'],
  ['views_by_root', 'root_run_id'],
  ['views_by_user_agent', 'user_id', 'agent_id'],
  ['views_by_user_status', 'user_id', 'status'],
  ['views_by_workspace', 'workspace_id'],
  ['views_by_user', 'user_id'],
  ['views_by_agent', 'agent_id'],
  ['views_by_status', 'status'],
];

interface Condition {
  sql: string;
  values: SQLInputValue[];
}

/**
 * A walk down one index, newest run first. Only what the index holds in order narrows the walk; every other filter is
 * answered per row as `found`, so that the walker can count what it looks at and stop.
 */
export function rangeSql(
  query: ListQuery,
  range: Equalities,
  before: string | null,
): { sql: string; parameters: SQLInputValue[] } {
  const equalities: Equalities = { ...range, ...columnsOf(query) };
  const [index, ...indexed] = (query.label
    ? undefined
    : INDEXES.find(([, ...columns]) => columns.every((column) => column in equalities))) ?? [''];
  const walked: Condition[] = [
    equal('v.tenant_id', query.tenant_id),
    ...indexed.map((column) => equal(`v.${column}`, equalities[column] ?? '')),
  ];
  const looked: Condition[] = Object.entries(equalities)
    .filter(([column]) => !indexed.includes(column))
    .map(([column, value]) => equal(`v.${column}`, value));
  if (query.q !== undefined)
    looked.push({ sql: 'instr(v.search_text, ?) > 0', values: [query.q.toLowerCase()] });
  const order = query.label ? 'l.run_id' : 'v.run_id';
  if (query.label) walked.push(...byLabel(query.tenant_id, query.label));
  if (before !== null) walked.push({ sql: `${order} < ?`, values: [before] });
  const from = query.label ? 'labels l CROSS JOIN views v' : `views v ${index ? `INDEXED BY ${index}` : ''}`;
  const found = looked.map(({ sql }) => sql).join(' AND ') || '1';
  return {
    sql: `SELECT v.run_id, v.summary, ${found} AS found FROM ${from}
          WHERE ${walked.map(({ sql }) => sql).join(' AND ')} ORDER BY ${order} DESC`,
    parameters: [...looked, ...walked].flatMap(({ values }) => values),
  };
}

const equal = (column: string, value: string): Condition => ({ sql: `${column} = ?`, values: [value] });

function columnsOf(query: ListQuery): Equalities {
  const { agent_id, parent_run_id, root_run_id } = query;
  return {
    ...(agent_id !== undefined && { agent_id }),
    ...(parent_run_id !== undefined && { parent_run_id }),
    ...(root_run_id !== undefined && { root_run_id }),
  };
}

function byLabel(tenantId: string, label: { key: string; value: string }): Condition[] {
  return [
    equal('l.tenant_id', tenantId),
    equal('l.label_key', label.key),
    equal('l.label_value', label.value),
    { sql: 'v.run_id = l.run_id', values: [] },
  ];
}
