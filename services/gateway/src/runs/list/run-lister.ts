import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { RunSummary } from '@runledger/run-views';
import type { ListQuery, ViewStore } from '@runledger/view-store';
import type { Principal } from '../../auth/principal.ts';
import { Problem } from '../../problem/problem.ts';
import { Tombstones } from '../erase/tombstones.ts';
import { Views } from '../views.ts';
import type { ListRunsQuery } from './list-query.ts';

const DEFAULT_LIMIT = 50;
/** Longest wait for a view to reach `min_seq`. */
export const MIN_SEQ_WAIT_MS = 1_000;
const MIN_SEQ_POLL_MS = 25;

export interface RunList {
  runs: Record<string, unknown>[];
  next_cursor: string | null;
}

/** Pages of the caller's own runs, from the views. */
@Injectable()
export class RunLister {
  constructor(
    @Inject(Views) private readonly views: Views,
    @Inject(Tombstones) private readonly tombstones: Tombstones,
  ) {}

  /** An erased run is not shown, though its view may still be there. Throws ViewsUnavailable, LogUnavailable and InvalidCursor. */
  async list(caller: Principal, query: ListRunsQuery): Promise<RunList> {
    const { agent_id } = caller;
    if (agent_id !== undefined && query.agent_id !== undefined && query.agent_id !== agent_id)
      throw new Problem('forbidden', `This credential may use runs of the agent ${agent_id} only.`);
    const store = await this.views.open();
    if (query.min_seq) await waitForView(store, caller.tenant_id, query.min_seq);
    const page = await store.list(storeQuery(caller, query));
    const erased = await this.tombstones.among(
      caller.tenant_id,
      page.runs.map((run) => run.run_id),
    );
    const runs = page.runs.filter((run) => !erased.has(run.run_id));
    return { runs: runs.map(presentSummary), next_cursor: page.next_cursor };
  }
}

function storeQuery(caller: Principal, query: ListRunsQuery): ListQuery {
  const { min_seq: _waited, limit = DEFAULT_LIMIT, ...filters } = query;
  const given = Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined));
  const { tenant_id, user_id, agent_id } = caller;
  return { ...given, limit, tenant_id, user_id, ...(agent_id === undefined ? {} : { agent_id }) };
}

function presentSummary(run: RunSummary): Record<string, unknown> {
  const { cost_usd_exact: _exact, ...usage } = run.usage;
  return { ...run, usage };
}

/** Whoever just wrote an event sees it, when the views keep up; the list is answered either way. */
async function waitForView(
  store: ViewStore,
  tenantId: string,
  wanted: { run_id: string; seq: number },
): Promise<void> {
  const until = performance.now() + MIN_SEQ_WAIT_MS;
  while (((await store.get(tenantId, wanted.run_id))?.seq ?? 0) < wanted.seq && performance.now() < until)
    await pause(MIN_SEQ_POLL_MS);
}
