import type { RunAddress } from '@runledger/run-log';
import { Durable, type DurableParts } from './durable.ts';

export interface Work extends RunAddress {
  dispatch: number;
}

const LEASE_MS = 15_000;

/** Stream WORK: one outstanding message per run. */
export class WorkQueue {
  readonly durable: Durable<Work>;
  #published = 0;
  readonly #outstanding = new Map<string, { id: number; dispatch: number }>();

  constructor(parts: DurableParts) {
    this.durable = new Durable(parts, LEASE_MS);
  }

  /** Undefined when the message was taken; else the dispatch of the one that is out already. */
  publish(work: Work): number | undefined {
    const outstanding = this.outstanding(work.run_id);
    if (outstanding !== undefined) return outstanding;
    const id = (this.#published += 1);
    this.#outstanding.set(work.run_id, { id, dispatch: work.dispatch });
    this.durable.add(id, work);
    return undefined;
  }

  /** The dispatch of the run's message that is out; undefined: there is none. */
  outstanding(runId: string): number | undefined {
    const known = this.#outstanding.get(runId);
    return known && this.durable.has(known.id) ? known.dispatch : undefined;
  }
}
