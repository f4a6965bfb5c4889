import type { Cleanup } from './cleanup.ts';
import { command } from './command.ts';

/** A network namespace whose only way out is a cable to us, which can be pulled. */
export class Namespace {
  readonly name: string;
  /** The address on our end of the cable. */
  readonly outside: string;
  /** The address on its end. */
  readonly inside: string;
  static #made = 0;
  readonly #cable: string;

  private constructor(id: number) {
    this.name = `runledger-${id}`;
    this.#cable = `rl${id % 10_000_000}`;
    const net = `10.${200 + (id % 50)}.${Math.floor(id / 50) % 250}`;
    this.outside = `${net}.1`;
    this.inside = `${net}.2`;
  }

  static async make(cleanup: Cleanup): Promise<Namespace> {
    // The kernel takes its time to give the names of a namespace that was deleted free: each has its own.
    const made = new Namespace(process.pid * 10 + (this.#made++ % 10));
    const { name, outside, inside } = made;
    const [here, there] = [`${made.#cable}a`, `${made.#cable}b`];
    await command('ip', 'netns', 'add', name);
    // The cable goes with either of its ends.
    cleanup.add('network namespace', () => command('ip', 'netns', 'del', name));
    await command('ip', 'link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', name);
    await command('ip', 'addr', 'add', `${outside}/30`, 'dev', here);
    await command('ip', 'link', 'set', here, 'up');
    await command('ip', '-n', name, 'link', 'set', 'lo', 'up');
    await command('ip', '-n', name, 'addr', 'add', `${inside}/30`, 'dev', there);
    await command('ip', '-n', name, 'link', 'set', there, 'up');
    return made;
  }

  async pull(): Promise<void> {
    await command('ip', 'link', 'set', `${this.#cable}a`, 'down');
  }

  async plug(): Promise<void> {
    await command('ip', 'link', 'set', `${this.#cable}a`, 'up');
  }
}
