import type { Json } from '@runledger/run';
import type { Calls, Place } from './calls.ts';
import type { Op, Script } from './script.ts';

/** Runs one agent from its first line, in every attempt anew: what is recorded is returned and not done again. */
export class Interpreter {
  #next = 0;
  /** Indexes whose results the agent has built upon last, and what they came to. */
  #after: number[] = [];
  #known = '';

  constructor(private readonly calls: Calls) {}

  async run(script: Script): Promise<Json> {
    for (const op of script) await this.#do(op);
    return this.#known;
  }

  async #do(op: Op): Promise<void> {
    if (op.op === 'fail') return this.calls.fail(op.times);
    const ops = op.op === 'parallel' ? op.ops : [op];
    const places = ops.map((): Place => ({ index: this.#next++, after: this.#after, known: this.#known }));
    const results = await Promise.all(ops.map((one, at) => this.#call(one, places[at] as Place)));
    this.#after = places.map(({ index }) => index);
    this.#known = results
      .map((result) => JSON.stringify(result))
      .join('|')
      .slice(-200);
  }

  #call(op: Op, place: Place): Promise<Json> {
    switch (op.op) {
      case 'model':
        return this.calls.model(place);
      case 'tool':
        return this.calls.tool(place, op.name, op.idempotent);
      case 'step':
        return this.calls.step(place);
      case 'milestone':
        return this.calls.milestone(place, op.name);
      case 'approval':
        return this.calls.approval(place);
      case 'child':
        return this.calls.child(place, op.script);
      case 'fail':
      case 'parallel':
        throw new RangeError(`${op.op} is no call`);
    }
  }
}
