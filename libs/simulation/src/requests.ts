import type { Faults } from './faults.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { VirtualTime } from './virtual-time.ts';

/** The other end did not answer in time, or is away. Whether the request was carried out is not known. */
export class NoAnswer extends Error {
  constructor() {
    super('no answer');
    this.name = 'NoAnswer';
  }
}

export interface Network {
  time: VirtualTime;
  faults: Faults;
  /** Whether the broker can be reached now. */
  reachable: () => boolean;
  /** Called for each request. */
  count: () => void;
  /** Called when a commit of the process is stored, before the process knows. */
  stored: (process: SimulatedProcess) => void;
}

const PATIENCE_MS = 5_000;

/**
 * A request of a process to the broker: it travels, is carried out, and its answer travels back; each way may fail.
 * Rejects with NoAnswer, or with what `carryOut` rejects with.
 */
export function request<T>(
  { time, faults, reachable, count }: Network,
  process: SimulatedProcess,
  carryOut: () => T | Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  count();
  return new Promise<T>((resolve, reject) => {
    let over = false;
    const arrive = (settle: () => void): void =>
      process.run(() => {
        if (over) return;
        over = true;
        giveUp();
        settle();
      });
    const giveUp = process.timing.after(patienceMs, () => arrive(() => reject(new NoAnswer())));
    const answer = (settle: () => void): void => {
      if (!faults.strikes('lost_answer')) time.after(faults.travelMs(), () => arrive(settle));
    };
    process.run(() => {
      if (faults.strikes('lost_request')) return;
      time.after(faults.travelMs(), () => {
        if (!reachable()) return answer(() => reject(new NoAnswer()));
        new Promise<T>((carried) => carried(carryOut())).then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error instanceof Error ? error : new Error(String(error)))),
        );
      });
    });
  });
}
