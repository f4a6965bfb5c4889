import type { Faults } from '../faults.ts';
import type { Random } from '../random.ts';
import type { SimulatedProcess } from '../simulated-process.ts';
import type { VirtualTime } from '../virtual-time.ts';

/** A call that reached the outside: a model call is paid for, and a tool call has taken effect, from here on. */
export interface OutsideCall {
  kind: 'model' | 'tool';
  run_id: string;
  index: number;
  /** Of a tool call. */
  call_id: string;
  idempotent: boolean;
  attempt: number;
  executor: string;
  /** Indexes of the calls whose results the agent had when it made this one. */
  after: readonly number[];
}

/** The world outside of Runledger, and the journal of what truly happened there. */
export class Outside {
  readonly journal: (OutsideCall & { at: number })[] = [];

  constructor(
    private readonly time: VirtualTime,
    private readonly random: Random,
    private readonly faults: Faults,
  ) {}

  /** The answer is another one each time, so that whoever asks twice is found out. Rejects where a tool fails. */
  call(process: SimulatedProcess, call: OutsideCall): Promise<string> {
    if (process.isDead) return new Promise(() => undefined);
    const number = this.journal.push({ ...call, at: this.time.now });
    const fails = call.kind === 'tool' && this.faults.strikes('tool_error');
    const ms = this.random.chance(0.15) ? this.random.between(1_000, 20_000) : this.random.between(1, 400);
    return new Promise((resolve, reject) => {
      this.time.after(ms, () =>
        process.run(() => {
          if (fails) reject(new ToolError(`error ${number}`));
          else resolve(`answer ${number}`);
        }),
      );
    });
  }
}

export class ToolError extends Error {}
