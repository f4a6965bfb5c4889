import { byTurn, type AdmissionEntry } from './entry.ts';
import { Ordered } from './ordered.ts';

interface Lane {
  name: string;
  runs: Ordered<AdmissionEntry>;
}

/** One user's runs that wait, a lane for those that share all their limits: if its first has no room, none has. */
export class Lanes {
  readonly #byName = new Map<string, Lane>();
  readonly #byHead = new Ordered<Lane>((a, b) => byTurn(headOf(a), headOf(b)));

  get empty(): boolean {
    return this.#byName.size === 0;
  }

  add(entry: AdmissionEntry): void {
    const name = nameOf(entry);
    this.#change(this.#byName.get(name) ?? { name, runs: new Ordered(byTurn) }, (runs) => runs.add(entry));
  }

  remove(entry: AdmissionEntry): void {
    const lane = this.#byName.get(nameOf(entry));
    if (lane) this.#change(lane, (runs) => runs.remove(entry));
  }

  /** The first of every lane, in the order of their turn. */
  *heads(): Iterable<AdmissionEntry> {
    for (const lane of this.#byHead) yield headOf(lane);
  }

  #change(lane: Lane, change: (runs: Ordered<AdmissionEntry>) => void): void {
    if (lane.runs.first) this.#byHead.remove(lane);
    change(lane.runs);
    if (lane.runs.first) {
      this.#byHead.add(lane);
      this.#byName.set(lane.name, lane);
    } else this.#byName.delete(lane.name);
  }
}

const headOf = ({ runs }: Lane): AdmissionEntry => runs.first as AdmissionEntry;

const nameOf = ({ agent_id, key, agent_key }: AdmissionEntry): string =>
  JSON.stringify([agent_id, key, agent_key]);
