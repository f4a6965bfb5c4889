import type { Cell, Post } from './services/cell.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

const LONGER_THAN_A_LEASE_MS = 45_000;

/** What befalls the processes and the broker of a life until its turmoil is over. */
export class Turmoil {
  readonly until: number;
  #over = false;
  readonly #paceMs: number;

  constructor(
    private readonly world: World,
    private readonly cell: Cell,
  ) {
    const { random, time } = world;
    this.until = random.between(20_000, 90_000);
    this.#paceMs = random.pick([1_500, 4_000, 10_000, 40_000]);
    this.#next();
    time.after(this.until, () => this.#cease());
    world.onStored = (process) => this.#strikeAtAppend(process);
  }

  get isOver(): boolean {
    return this.#over;
  }

  #next(): void {
    this.world.time.after(this.world.random.between(1, 2 * this.#paceMs), () => {
      if (this.#over) return;
      this.#strike();
      this.#next();
    });
  }

  #strike(): void {
    const { random, broker } = this.world;
    const drawn = random.next();
    const alive = this.cell.posts.filter(({ process }) => !process.isDead);
    if (drawn < 0.08) {
      this.world.figures.outages += 1;
      broker.goAway(random.between(100, 8_000));
    } else if (drawn < 0.12) this.#loseWork();
    else if (alive.length === 0) return;
    else if (drawn < 0.45) this.#kill(random.pick(alive));
    else if (drawn < 0.85) this.#pause(random.pick(alive));
    else this.#terminate(random.pick(alive));
  }

  /** Between an append and its acknowledgement is where a crash or a long sleep tells most. */
  #strikeAtAppend(process: SimulatedProcess): void {
    const post = this.cell.posts.find((one) => one.process === process);
    if (!post || process.isDead) return;
    if (this.world.faults.strikes('dies_at_append')) this.#kill(post);
    else if (this.world.faults.strikes('sleeps_at_append')) this.#pause(post, LONGER_THAN_A_LEASE_MS);
  }

  /** The work queue may lose what it had not synced; the log never does. */
  #loseWork(): void {
    const { random, broker } = this.world;
    const ids = broker.work.durable.ids();
    if (ids.length > 0) broker.work.durable.lose(random.pick(ids));
  }

  #kill(post: Post): void {
    const { random, figures } = this.world;
    figures.kills += 1;
    post.process.kill();
    this.#replace(post, random.between(10, 20_000));
  }

  #pause({ process }: Post, longestMs?: number): void {
    const { random, time, figures } = this.world;
    if (process.isPaused) return;
    const most = longestMs ?? random.pick([1_000, 5_000, LONGER_THAN_A_LEASE_MS]);
    figures.pauses += 1;
    process.pause();
    time.after(random.between(10, most), () => process.resume());
  }

  #terminate(post: Post): void {
    const { figures, random } = this.world;
    if (post.process.terminated.aborted) return;
    figures.shutdowns += 1;
    post.process.terminate();
    post.process.onDeath(() => this.#replace(post, random.between(10, 1_000)));
  }

  #replace(post: Post, afterMs: number): void {
    const { process } = post;
    this.world.time.after(this.#over ? 1 : afterMs, () => {
      if (post.process === process) this.cell.restart(post);
    });
  }

  /** From here on everything is well: nothing is lost, and everything that was away is back. */
  #cease(): void {
    this.#over = true;
    this.world.faults.cease();
    this.world.broker.comeBack();
    for (const post of this.cell.posts) {
      post.process.resume();
      if (post.process.isDead) this.cell.restart(post);
    }
  }
}
