import { MemoryRunLog } from '@runledger/run-log';
import { ProcessCommitStore } from './broker/process-commit-store.ts';
import { SimulatedBroker } from './broker/simulated-broker.ts';
import { Outside } from './agents/outside.ts';
import { Faults } from './faults.ts';
import { Random } from './random.ts';
import type { Network } from './requests.ts';
import { decideUnder, type Sabotage } from './sabotage.ts';
import { Spans } from './spans.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { VirtualTime } from './virtual-time.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

export interface Figures {
  kills: number;
  pauses: number;
  shutdowns: number;
  outages: number;
  requests: number;
}

/** An executor that other executors may ask. */
export interface Holder {
  process: SimulatedProcess;
  holds: (runId: string) => boolean;
}

/** Everything that one life consists of, before anything happens in it. */
export class World {
  readonly time = new VirtualTime();
  readonly random: Random;
  readonly faults: Faults;
  readonly broker: SimulatedBroker;
  readonly outside: Outside;
  readonly holders = new Map<string, Holder>();
  readonly figures: Figures = { kills: 0, pauses: 0, shutdowns: 0, outages: 0, requests: 0 };
  /** When an executor was at work on a run, by `<executor> <run>`. */
  readonly #holds = new Map<string, Spans>();
  /** Rules that a process saw broken from inside. */
  readonly broken: string[] = [];
  /** Commits of which nothing followed, by stream sequence. */
  readonly lostReactions = new Set<number>();
  readonly network: Network;
  onStored: ((process: SimulatedProcess) => void) | undefined;
  #runs = 0;

  constructor(
    seed: number,
    readonly sabotage?: Sabotage,
  ) {
    this.random = new Random(seed);
    const { time } = this;
    this.faults = new Faults(this.random.fork());
    this.broker = new SimulatedBroker({ time, faults: this.faults, random: this.random.fork() }, sabotage);
    this.outside = new Outside(time, this.random.fork(), this.faults);
    this.network = {
      time,
      faults: this.faults,
      reachable: () => this.broker.isReachable,
      count: () => (this.figures.requests += 1),
      stored: (process) => this.onStored?.(process),
    };
  }

  process(name: string): SimulatedProcess {
    return new SimulatedProcess(name, this.time, this.random.fork());
  }

  runLog(process: SimulatedProcess): MemoryRunLog {
    const store = new ProcessCommitStore(this.broker, this.network, process);
    const { name, timing } = process;
    return new MemoryRunLog(
      { writer: name, timing, patienceMs: 5_000, decide: decideUnder(this.sabotage) },
      store,
    );
  }

  holdsOf(executor: string, runId: string): Spans {
    const key = `${executor} ${runId}`;
    const spans = this.#holds.get(key) ?? new Spans();
    this.#holds.set(key, spans);
    return spans;
  }

  /** A ULID. */
  newRunId(): string {
    let id = '';
    for (let rest = (this.#runs += 1); id.length < 22; rest = Math.floor(rest / 32))
      id = `${ALPHABET[rest % 32]}${id}`;
    return `01SM${id}`;
  }
}
