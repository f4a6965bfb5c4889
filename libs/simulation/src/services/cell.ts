import type { SimulatedProcess } from '../simulated-process.ts';
import type { World } from '../world.ts';
import { Executor } from './executor.ts';
import { Gateway } from './gateway.ts';
import { Reconciler } from './reconciler.ts';
import { Scheduler } from './scheduler.ts';
import { ViewStore } from './view-store.ts';

type Kind = 'gateway' | 'scheduler' | 'executor' | 'reconciler';

/** One place for a process: when its process dies, another with a new name takes it. */
export interface Post {
  kind: Kind;
  number: number;
  lives: number;
  process: SimulatedProcess;
}

/** The processes of one installation. */
export class Cell {
  readonly posts: Post[] = [];
  readonly views = new ViewStore();
  readonly #gateways = new Map<SimulatedProcess, Gateway>();

  constructor(private readonly world: World) {
    const { random } = world;
    const wanted: [Kind, number][] = [
      ['gateway', random.between(1, 2)],
      ['scheduler', random.between(1, 2)],
      ['executor', random.between(2, 3)],
      ['reconciler', random.between(1, 2)],
    ];
    for (const [kind, count] of wanted)
      for (let number = 1; number <= count; number += 1)
        this.posts.push({ kind, number, lives: 1, process: this.#start(kind, number, 1) });
  }

  /** Starts a process in the place of one that is dead. */
  restart(post: Post): void {
    post.lives += 1;
    post.process = this.#start(post.kind, post.number, post.lives);
  }

  /** A gateway that takes requests; undefined: there is none now. */
  someGateway(): Gateway | undefined {
    const open = this.posts.filter(
      ({ kind, process }) => kind === 'gateway' && !process.isDead && !process.terminated.aborted,
    );
    return open.length === 0 ? undefined : this.#gateways.get(this.world.random.pick(open).process);
  }

  #start(kind: Kind, number: number, life: number): SimulatedProcess {
    const process = this.world.process(`${kind}-${number}.${life}`);
    switch (kind) {
      case 'gateway':
        this.#gateways.set(process, new Gateway(this.world, process));
        process.onDeath(() => this.#gateways.delete(process));
        break;
      case 'scheduler':
        new Scheduler(this.world, process);
        break;
      case 'executor':
        new Executor(this.world, process);
        break;
      case 'reconciler':
        new Reconciler(this.world, process, this.views);
        break;
    }
    return process;
  }
}
