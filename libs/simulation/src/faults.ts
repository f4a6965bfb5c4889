import type { Random } from './random.ts';

/** Probabilities of one life, per occasion. */
export interface FaultRates {
  /** A request that never arrives. */
  lost_request: number;
  /** A request that was carried out and whose answer never arrives. */
  lost_answer: number;
  /** A message that takes up to `slow_most_ms`. */
  slow: number;
  /** A live copy of a commit that is not delivered. */
  lost_copy: number;
  /** A message that is delivered again though its handler is at work. */
  duplicate_delivery: number;
  /** A handler that fails for no reason of its own. */
  handler_fault: number;
  /** What follows from a commit and is never done, though it is said to be. */
  lost_reaction: number;
  /** A timer that never fires. */
  lost_timer: number;
  /** A tool that answers with an error. */
  tool_error: number;
  /** A process that dies when its commit is stored, before it knows. */
  dies_at_append: number;
  /** A process that sleeps when its commit is stored, before it knows. */
  sleeps_at_append: number;
  /** A follower that cuts its stream after a batch. */
  cut_stream: number;
}

const MOST: FaultRates = {
  lost_request: 0.04,
  lost_answer: 0.04,
  slow: 0.05,
  lost_copy: 0.2,
  duplicate_delivery: 0.1,
  handler_fault: 0.05,
  lost_reaction: 0.1,
  lost_timer: 0.3,
  tool_error: 0.1,
  dies_at_append: 0.03,
  sleeps_at_append: 0.05,
  cut_stream: 0.3,
};

const QUICK_MS = 3;

/** What goes wrong in a life, until it is told to cease. */
export class Faults {
  #ceased = false;
  readonly rates: FaultRates;
  readonly #slowMostMs: number;

  constructor(private readonly random: Random) {
    this.rates = { ...MOST };
    for (const name of Object.keys(MOST) as (keyof FaultRates)[])
      this.rates[name] *= random.chance(0.4) ? 0 : random.next();
    this.#slowMostMs = random.pick([50, 500, 4_000]);
  }

  strikes(fault: keyof FaultRates): boolean {
    return !this.#ceased && this.random.chance(this.rates[fault]);
  }

  /** How long a message is on its way, in milliseconds. */
  travelMs(): number {
    return this.strikes('slow')
      ? this.random.between(QUICK_MS, this.#slowMostMs)
      : this.random.between(1, QUICK_MS);
  }

  cease(): void {
    this.#ceased = true;
  }
}
