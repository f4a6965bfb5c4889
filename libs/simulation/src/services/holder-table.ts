import type { SimulatedProcess } from '../simulated-process.ts';
import type { World } from '../world.ts';

const ASK_MS = 1_000;
const TRAVEL_MS = 2;

/** How a recorded holder answered: it holds the run, it does not, or nobody is there. */
export type HolderAnswer = 'holds' | 'does_not_hold' | 'gone' | 'silent';

/** Which runs this process holds now; answers other executors that ask, and asks them. */
export class HolderTable {
  readonly #held = new Set<string>();

  constructor(
    private readonly world: World,
    private readonly process: SimulatedProcess,
  ) {
    world.holders.set(process.name, { process, holds: (runId) => this.#held.has(runId) });
  }

  get instance(): string {
    return this.process.name;
  }

  get size(): number {
    return this.#held.size;
  }

  /** True when the run was free; whoever gets true must `remove` it. */
  add(runId: string): boolean {
    if (this.#held.has(runId)) return false;
    this.#held.add(runId);
    this.world.holdsOf(this.instance, runId).begin(this.world.time.now);
    return true;
  }

  remove(runId: string): void {
    this.#held.delete(runId);
    this.world.holdsOf(this.instance, runId).end(this.world.time.now);
  }

  ask(executor: string, runId: string): Promise<HolderAnswer> {
    const { time, broker, holders } = this.world;
    return new Promise((resolve) => {
      let over = false;
      const answer = (how: HolderAnswer): void => {
        if (!over) resolve(how);
        over = true;
      };
      this.process.timing.after(ASK_MS, () => answer('silent'));
      time.after(TRAVEL_MS, () => {
        if (!broker.isReachable) return;
        const holder = holders.get(executor);
        const reply = (how: HolderAnswer): void =>
          void time.after(TRAVEL_MS, () => this.process.run(() => answer(how)));
        if (!holder || holder.process.isDead) return reply('gone');
        holder.process.run(() => reply(holder.holds(runId) ? 'holds' : 'does_not_hold'));
      });
    });
  }
}
