import { Inject, Injectable } from '@nestjs/common';
import { ulid } from 'ulid';
import type { Principal } from '../../auth/principal.ts';
import { RunLister } from '../../runs/list/run-lister.ts';
import { MOST_RUNS, type RunCursors } from './run-cursors.ts';

const IN_FLIGHT = ['queued', 'running', 'waiting', 'stopping'];
const PAGE = 50;
/** Views of runs that began at nearly the same time appear in any order: so old must a run be to be no new one. */
const ORDER_SLACK_MS = 10_000;

/** Which of the caller's runs a connection has to bring that it does not bring yet. */
@Injectable()
export class OwnRuns {
  constructor(@Inject(RunLister) private readonly lister: RunLister) {}

  /** For a connection without a cursor: what is in flight. What begins from now on is found by `newOnes`. */
  async inFlight(caller: Principal, cursors: RunCursors): Promise<string[]> {
    cursors.floor = ulid(Date.now() - ORDER_SLACK_MS);
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const query = { status: IN_FLIGHT, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) };
      const page = await this.lister.list(caller, query);
      found.push(...page.runs.map(idOf));
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined && found.length < MOST_RUNS);
    return found.slice(0, MOST_RUNS);
  }

  /** Runs above the floor that have no cursor yet, oldest first. */
  async newOnes(caller: Principal, cursors: RunCursors): Promise<string[]> {
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const query = { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) };
      const page = await this.lister.list(caller, query);
      const above = page.runs.map(idOf).filter((runId) => runId > cursors.floor);
      found.push(...above.filter((runId) => !cursors.has(runId)));
      cursor = above.length < page.runs.length ? undefined : (page.next_cursor ?? undefined);
    } while (cursor !== undefined && found.length < MOST_RUNS);
    return found.reverse();
  }
}

const idOf = (run: Record<string, unknown>): string => String(run.run_id);
