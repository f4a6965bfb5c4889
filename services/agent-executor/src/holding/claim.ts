import type { Command, EventData, Refusal, Run } from '@runledger/run';
import { LogUnavailable, RunErased, type LoadedRun, type RunAddress, type RunLog } from '@runledger/run-log';
import type { HolderAnswer, HolderTable } from './holder-table.ts';

const ROUNDS = 5;
const REASONS: Record<Exclude<HolderAnswer, 'holds'>, EventData['attempt.lost']['reason']> = {
  does_not_hold: 'executor_stopped',
  gone: 'lease_expired',
  silent: 'unreachable',
};

/** One delivery of a work message. */
export interface Grant {
  dispatch: number;
  work_seq: number;
  delivery: number;
}

/** `done`: nothing is left to do for this message. `keep`: its ack belongs to somebody else. `begun`: this process holds the run. */
export type Claim = { outcome: 'done' | 'keep' } | { outcome: 'begun'; loaded: LoadedRun };

export interface Claimant {
  executor: string;
  pool: string;
  engine: string;
}

type Move = 'done' | 'keep' | 'begin' | { lost: EventData['attempt.lost']['reason'] };

/** The run has changed since it was looked at. */
class Moved extends Error {}

/** Decides what one delivery means, and begins the attempt where that is this process's to do. */
export class Claims {
  constructor(
    private readonly runLog: RunLog,
    private readonly table: HolderTable,
  ) {}

  /** `claimant` is asked only when an attempt is to begin. Rejects only when nothing can have been appended. */
  async claim(
    address: RunAddress,
    grant: Grant,
    claimant: (loaded: LoadedRun) => Promise<Claimant>,
  ): Promise<Claim> {
    for (let round = 1; round <= ROUNDS; round += 1) {
      const loaded = await this.runLog.load(address);
      const move = await this.#move(loaded.run, grant);
      if (move === 'done' || move === 'keep') return { outcome: move };
      if (loaded.run.status === 'queued' && (await this.#isBelowStop(loaded.run))) return { outcome: 'done' };
      const claim = await this.#begin(address, loaded, beginAttempt(grant, await claimant(loaded), move));
      if (claim) return claim;
    }
    throw new LogUnavailable(
      'too_much_contention',
      `run ${address.run_id} changed ${ROUNDS} times while it was claimed`,
    );
  }

  /**
   * A stop comes down the tree level by level, and frees slots on its way: a run that it has not reached yet is not
   * begun. Whoever carries the stop down ends it.
   */
  async #isBelowStop({ tenant_id, parent }: Run): Promise<boolean> {
    for (let above = parent; above;) {
      const run = await this.#known({ tenant_id, run_id: above.run_id });
      if (!run) return false;
      if (run.stop) return true;
      above = run.parent;
    }
    return false;
  }

  /** Undefined: it was erased, and has ended long before. */
  async #known(address: RunAddress): Promise<Run | undefined> {
    try {
      return (await this.runLog.load(address)).run;
    } catch (error) {
      if (error instanceof RunErased) return undefined;
      throw error;
    }
  }

  async #move(run: Run, grant: Grant): Promise<Move> {
    if (run.status === 'none' || run.ended_at !== null || grant.dispatch < run.dispatch) return 'done';
    if (run.status === 'waiting') return grant.dispatch === run.dispatch ? 'done' : 'begin';
    if (run.status === 'queued' || !run.holder) return 'begin';
    const sameMessage = run.holder.dispatch === grant.dispatch && run.holder.work_seq === grant.work_seq;
    if (sameMessage && grant.delivery <= run.holder.delivery) return 'keep';
    // Our own table has this very delivery. Whoever gets here is the only one of this process at work on the run.
    if (run.holder.executor === this.table.instance) return { lost: REASONS.does_not_hold };
    const answer = await this.table.ask(run.holder.executor, run.run_id);
    return answer === 'holds' ? 'keep' : { lost: REASONS[answer] };
  }

  /** Undefined: look again. */
  async #begin(address: RunAddress, seen: LoadedRun, command: Command): Promise<Claim | undefined> {
    const same = (run: Run): Command => {
      if (run.seq !== seen.run.seq) throw new Moved();
      return command;
    };
    try {
      const executed = await this.runLog.execute(address, same, seen);
      if (executed.refusal) return refused(executed.refusal, executed.run.seq === seen.run.seq);
      return executed.run.holder ? { outcome: 'begun', loaded: executed } : { outcome: 'done' };
    } catch (error) {
      if (error instanceof Moved) return undefined;
      if (error instanceof LogUnavailable && error.code === 'outcome_unknown') return { outcome: 'keep' };
      throw error;
    }
  }
}

function beginAttempt(
  grant: Grant,
  claimant: Claimant,
  move: 'begin' | { lost: EventData['attempt.lost']['reason'] },
): Command {
  return { type: 'BeginAttempt', ...grant, ...claimant, ...(move === 'begin' ? {} : { lost: move.lost }) };
}

function refused(refusal: Refusal, settled: boolean): Claim | undefined {
  if (!settled) return undefined;
  switch (refusal.code) {
    case 'stale_dispatch':
    case 'run_already_ended':
    case 'run_stopping':
      return { outcome: 'done' };
    case 'not_the_holder':
      return { outcome: 'keep' };
    default:
      throw new Error(`the run refuses to begin: ${refusal.code}: ${refusal.detail}`);
  }
}
