import type { Subscription } from '@nats-io/nats-core';
import type { Broker } from '@runledger/nest-jetstream';
import { isEndType } from '@runledger/run';

export interface SeenEnd {
  /** On the clock of `performance.now()`. */
  at: number;
  status: string;
}

/** Learns the end of every run from the live copies of the log: the cheapest way, so that it does not slow what is measured. */
export class RunEnds {
  readonly #subscription: Subscription;
  readonly #waiting = new Map<string, (end: SeenEnd) => void>();
  readonly #ended = new Map<string, SeenEnd>();
  readonly #starts = new Map<string, number>();
  count = 0;
  last: { tenant_id: string; run_id: string } | undefined;

  constructor(broker: Broker) {
    this.#subscription = broker.nc.subscribe(['live', 'runs', '*', '*'].join('.'), {
      callback: (error, message) => {
        if (error) return;
        const [, , tenant_id = '', run_id = ''] = message.subject.split('.');
        const types = (message.headers?.get('Run-Types') ?? '').split(',');
        if (types.includes('run.started')) this.#starts.set(run_id, performance.now());
        const end = types.find(isEndType);
        if (end !== undefined) this.#saw({ tenant_id, run_id }, end);
      },
    });
  }

  /** When its attempt was seen to begin. */
  startedAt(runId: string): number | undefined {
    return this.#starts.get(runId);
  }

  /** Resolves at the end of the run, also when it is over already. */
  async of(runId: string): Promise<SeenEnd> {
    const known = this.#ended.get(runId);
    if (known) return known;
    return new Promise((resolve) => this.#waiting.set(runId, resolve));
  }

  /** What is known of runs that nobody asks for any more. */
  forget(): void {
    this.#ended.clear();
    this.#starts.clear();
  }

  close(): void {
    this.#subscription.unsubscribe();
  }

  #saw(address: { tenant_id: string; run_id: string }, status: string): void {
    const end = { at: performance.now(), status };
    this.count += 1;
    this.last = address;
    const waiting = this.#waiting.get(address.run_id);
    this.#waiting.delete(address.run_id);
    if (waiting) waiting(end);
    else this.#ended.set(address.run_id, end);
  }
}
