import type { Actor, HeldBy, InFlight, RunEvent } from '@runledger/run';
import { HoldLost, type HeldRun, type Timing } from '@runledger/run-log';
import { AgentFailed, AgentStopped, Handover } from './interruptions.ts';
import { Parking } from './parking.ts';

export interface GateParts {
  held: HeldRun;
  heldBy: HeldBy;
  timing: Timing;
  draining: AbortSignal;
}

/** What may stand between an agent and its next step: a lost hold, a stop, a pause, the time limit, a shutdown. */
export class Gate {
  readonly parking: Parking;
  readonly #abort = new AbortController();
  readonly #leaving = new AbortController();
  readonly #closed = new AbortController();
  #observed: Promise<void> | undefined;
  #disturbed: (() => void)[] = [];

  constructor(private readonly parts: GateParts) {
    const { held, heldBy, timing, draining } = parts;
    this.parking = new Parking({
      held,
      heldBy,
      timing,
      noMore: () => this.stopping || held.lost.aborted || draining.aborted,
      interrupt: (reason) => this.#interrupt(reason),
    });
    held.onForeign((event) => this.#foreign(event));
    for (const signal of [held.lost, draining, this.interrupted])
      signal.addEventListener('abort', () => this.#disturb(), { once: true, signal: this.#closed.signal });
    if (held.run.stop?.mode === 'kill') this.#interrupt(new AgentStopped('kill'));
  }

  get interrupted(): AbortSignal {
    return this.#abort.signal;
  }

  /** Aborted when this process will wait no longer for anything. */
  get leaving(): AbortSignal {
    return this.#leaving.signal;
  }

  get stopping(): boolean {
    return this.parts.held.run.stop !== null;
  }

  get stopOrder(): { by: Actor; reason: string } {
    const stop = this.parts.held.run.stop;
    return {
      by: { user_id: stop?.by_user_id ?? '', channel: stop?.by_channel ?? 'api' },
      reason: stop?.reason ?? '',
    };
  }

  async pass(boundary: string): Promise<void> {
    while (!this.#open) await this.#wait(boundary);
    this.parking.touch();
  }

  /** What `arrived` gives; a stop, a shutdown or an interruption does not wait for it and is thrown instead. */
  async awaiting<T>(boundary: string, arrived: Promise<T>): Promise<T> {
    const disturbed = new Promise<undefined>((resolve) => {
      if (this.#closedFor) resolve(undefined);
      else this.#disturbed.push(() => resolve(undefined));
    });
    const value = await this.parking.whileBlocked(() =>
      Promise.race([arrived.then((one) => ({ one })), disturbed]),
    );
    if (value) return value.one;
    await this.pass(boundary);
    return arrived;
  }

  /** Records `stop.observed`, once. */
  observeStop(boundary: string): Promise<void> {
    this.#observed ??= this.#observe(boundary);
    return this.#observed;
  }

  timeOut(): void {
    this.#interrupt(new AgentFailed('timeout', 'the run took longer than its limit'));
  }

  leave(): void {
    this.#leaving.abort('leaving');
    this.#interrupt(new Handover('shutdown'));
  }

  close(): void {
    this.#closed.abort('closed');
    this.parking.close();
  }

  get #closedFor(): boolean {
    const { held, draining } = this.parts;
    return held.lost.aborted || this.stopping || this.interrupted.aborted || draining.aborted;
  }

  get #open(): boolean {
    return !this.#closedFor && !this.parking.deciding && !this.parts.held.run.pause_requested;
  }

  async #wait(boundary: string): Promise<void> {
    const { held, draining } = this.parts;
    if (held.lost.aborted) throw lossOf(held);
    if (this.parking.parked) throw this.interrupted.reason;
    if (this.stopping) {
      await this.observeStop(boundary);
      throw new AgentStopped(boundary);
    }
    if (this.interrupted.aborted) throw this.interrupted.reason;
    if (draining.aborted) throw new Handover(boundary);
    await (this.parking.deciding ?? this.parking.park('pause'));
  }

  async #observe(boundary: string): Promise<void> {
    const { held, heldBy } = this.parts;
    if (held.run.stop_observed) return;
    const in_flight: InFlight[] = [];
    await held.submit({ type: 'ObserveStop', held_by: heldBy, boundary, in_flight, latency_ms: 0 });
  }

  #foreign(event: RunEvent): void {
    if (event.type !== 'stop.requested') return;
    this.#disturb();
    if (event.data.mode === 'kill') this.#interrupt(new AgentStopped('kill'));
  }

  #interrupt(reason: unknown): void {
    this.#abort.abort(reason);
  }

  #disturb(): void {
    for (const wake of this.#disturbed.splice(0)) wake();
    this.parking.disturb();
  }
}

export function lossOf(held: HeldRun): HoldLost {
  const reason: unknown = held.lost.reason;
  return reason instanceof HoldLost ? reason : new HoldLost('released', 'the run is held no longer');
}
