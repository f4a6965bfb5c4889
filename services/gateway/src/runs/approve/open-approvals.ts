import { Inject, Injectable } from '@nestjs/common';
import type { OpenApproval, RunSummary, RunView } from '@runledger/run-views';
import type { ViewStore } from '@runledger/view-store';
import type { Principal } from '../../auth/principal.ts';
import { Problem } from '../../problem/problem.ts';
import { RunReader } from '../read/run-reader.ts';
import { Views } from '../views.ts';

/** Runs in these may ask for something; in any other nothing is open. */
const MAY_ASK = ['waiting', 'running', 'queued'];
/** Pages of the list of runs that one request looks at: after them the caller comes again. */
const PAGES = 10;
const RUNS_PER_PAGE = 100;

export type ApprovalOfRun = Pick<RunView, 'run_id' | 'agent_id' | 'agent_name'> & OpenApproval;

export interface ApprovalPage {
  approvals: ApprovalOfRun[];
  next_cursor: string | null;
}

/** What the caller's own runs ask for and nobody has decided. */
@Injectable()
export class OpenApprovals {
  constructor(
    @Inject(Views) private readonly views: Views,
    @Inject(RunReader) private readonly reader: RunReader,
  ) {}

  /** Which runs ask comes from the views; what is still open of them, from the log. Throws ViewsUnavailable, LogUnavailable and InvalidCursor. */
  async page(caller: Principal, limit: number, cursor: string | undefined): Promise<ApprovalPage> {
    const found = await runsThatAsk(await this.views.open(), caller, { limit, cursor });
    const views = await Promise.all(
      found.runs.map(({ run_id }) => this.#now({ tenant_id: caller.tenant_id, run_id })),
    );
    const approvals = views.flatMap((view) => (view ? ofRun(view) : []));
    return { approvals, next_cursor: found.next_cursor };
  }

  /** Undefined: the run is gone. */
  #now(address: { tenant_id: string; run_id: string }): Promise<RunView | undefined> {
    return this.reader.now(address).catch((error: unknown) => {
      if (error instanceof Problem && error.code === 'run_not_found') return undefined;
      throw error;
    });
  }
}

async function runsThatAsk(
  store: ViewStore,
  { tenant_id, user_id, agent_id }: Principal,
  page: { limit: number; cursor: string | undefined },
): Promise<{ runs: RunSummary[]; next_cursor: string | null }> {
  const runs: RunSummary[] = [];
  let cursor = page.cursor;
  for (let looked = 0; looked < PAGES; looked++) {
    const found = await store.list({
      tenant_id,
      user_id,
      status: MAY_ASK,
      // No more than what is still wanted: the cursor of the page must not skip one that asks.
      limit: Math.min(RUNS_PER_PAGE, page.limit - runs.length),
      ...(agent_id === undefined ? {} : { agent_id }),
      ...(cursor === undefined ? {} : { cursor }),
    });
    runs.push(...found.runs.filter(({ open_approvals }) => open_approvals > 0));
    if (!found.next_cursor) return { runs, next_cursor: null };
    cursor = found.next_cursor;
    if (runs.length >= page.limit) break;
  }
  return { runs, next_cursor: cursor ?? null };
}

const ofRun = ({ run_id, agent_id, agent_name, open_approvals }: RunView): ApprovalOfRun[] =>
  open_approvals.map((approval) => ({ run_id, agent_id, agent_name, ...approval }));
