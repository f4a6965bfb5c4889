import { isEnded } from '@runledger/run';
import { createHash } from 'node:crypto';
import { violations } from './invariants.ts';
import { Observer } from './observers.ts';
import type { Sabotage } from './sabotage.ts';
import { Cell } from './services/cell.ts';
import { People } from './services/people.ts';
import { readStoredRuns } from './stored-runs.ts';
import { Turmoil } from './turmoil.ts';
import { World, type Figures } from './world.ts';

export interface Outcome extends Figures {
  seed: number;
  /** Broken promises, in words; none: all hold. */
  violations: string[];
  /** Of every byte of every log: the same seed has the same. */
  digest: string;
  runs: number;
  events: number;
  /** How long the life took by its own clock. */
  virtual_ms: number;
}

/** What is not over so long after the turmoil never will be. */
const PEACE_MS = 30 * 60_000;
const LOOK_MS = 500;

/** Lives one life: everything in it follows from the seed. */
export async function simulate(seed: number, sabotage?: Sabotage): Promise<Outcome> {
  const world = new World(seed, sabotage);
  const cell = new Cell(world);
  const people = new People(world, cell);
  const turmoil = new Turmoil(world, cell);
  const observers: Observer[] = [];
  people.onStarted.push((address) => {
    if (observers.every((one) => one.address.run_id !== address.run_id) || world.random.chance(0.3))
      observers.push(new Observer(world, cell, address));
  });
  await world.time.pass(turmoil.until + 1, () => false);
  people.calmDown();
  const isOver = (): boolean =>
    people.isContent &&
    world.broker.isIdle &&
    observers.every((one) => one.isDone) &&
    [...world.broker.states.values()].every(isEnded);
  const latest = world.time.now + PEACE_MS;
  while (world.time.now < latest && !isOver()) await world.time.pass(world.time.now + LOOK_MS, () => false);
  const runs = await readStoredRuns(world.broker);
  const logs = [...runs.values()].map(({ run_id, commits }) => `${run_id} ${commits.at(-1)?.digest}`);
  return {
    ...world.figures,
    seed,
    violations: violations({ world, cell, people, observers, runs }),
    digest: createHash('sha256').update(logs.join('\n')).digest('hex'),
    runs: runs.size,
    events: [...runs.values()].reduce((sum, { events }) => sum + events.length, 0),
    virtual_ms: world.time.now,
  };
}
