import type { Observer } from '../observers.ts';
import type { Cell } from '../services/cell.ts';
import type { People } from '../services/people.ts';
import type { StoredRun } from '../stored-runs.ts';
import type { World } from '../world.ts';

/** A life that is over, as the invariants look at it. */
export interface Life {
  world: World;
  cell: Cell;
  people: People;
  observers: readonly Observer[];
  runs: ReadonlyMap<string, StoredRun>;
}

/** What was found; nothing: it holds. */
export type Invariant = (life: Life) => string[];
