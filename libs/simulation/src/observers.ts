import { isEndType } from '@runledger/run';
import type { RunAddress, StoredLine } from '@runledger/run-log';
import type { Gateway } from './services/gateway.ts';
import type { Cell } from './services/cell.ts';
import type { World } from './world.ts';

const RETRY_MS = 500;
/** How long a reader waits without a sign of life: the stream's keep-alive is not simulated. */
const PATIENCE_MS = 20_000;

/** One reader of one run: it keeps what it has got, and goes on from there wherever it is cut off. */
export class Observer {
  readonly lines: StoredLine[] = [];
  readonly #patienceMs = PATIENCE_MS;
  #connections = 0;

  constructor(
    private readonly world: World,
    private readonly cell: Cell,
    readonly address: RunAddress,
  ) {
    void this.#connect();
  }

  get isDone(): boolean {
    const last = this.lines.at(-1);
    return last !== undefined && isEndType(last.type);
  }

  #connect(): void {
    const gateway = this.cell.someGateway();
    const connection = (this.#connections += 1);
    const cut = new AbortController();
    const isOpen = (): boolean => connection === this.#connections;
    const reconnect = (): void => {
      if (!isOpen()) return;
      this.#connections += 1;
      cut.abort('cut');
      if (!this.isDone) this.world.time.after(RETRY_MS, () => this.#connect());
    };
    if (!gateway) return reconnect();
    gateway.process.onDeath(() => this.world.time.after(1, reconnect));
    this.#watchSilence(isOpen, reconnect);
    gateway.process.run(() => void this.#read(gateway, cut.signal, { isOpen, reconnect }));
  }

  #watchSilence(isOpen: () => boolean, reconnect: () => void): void {
    const had = this.lines.length;
    this.world.time.after(this.#patienceMs, () => {
      if (!isOpen()) return;
      if (this.lines.length === had) reconnect();
      else this.#watchSilence(isOpen, reconnect);
    });
  }

  /** In the gateway's process; what it writes arrives in order. */
  async #read(
    gateway: Gateway,
    signal: AbortSignal,
    { isOpen, reconnect }: { isOpen: () => boolean; reconnect: () => void },
  ): Promise<void> {
    const { time, faults } = this.world;
    let latest = 0;
    const write = (arrive: () => void): void => {
      latest = Math.max(latest, time.now + faults.travelMs());
      time.after(latest - time.now, () => {
        if (isOpen()) arrive();
      });
    };
    try {
      const after = this.lines.at(-1)?.seq ?? 0;
      for await (const batch of gateway.follow(this.address, after, signal)) {
        write(() => this.lines.push(...batch));
        if (faults.strikes('cut_stream')) write(reconnect);
      }
      write(reconnect);
    } catch {
      write(reconnect);
    }
  }
}
