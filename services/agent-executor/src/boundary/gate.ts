import { AgentFailed, AgentStopped } from '@runledger/harness';
import type { Actor, HeldBy, InFlight, RunEvent } from '@runledger/run';
import { HoldLost, type HeldRun } from '@runledger/run-log';
import { Handover } from './interruptions.ts';
import { Parking } from './parking.ts';

/** How long clean-up code may go on after a stop was observed and the last call in flight has ended. */
export const CLEAN_UP_MS = 10_000;

/**
 * What may stand between an agent and its next step: a lost hold, a stop, a pause, the run's time limit, the shutdown
 * of this process. Every boundary passes here on entry.
 */
export class Gate {
  readonly inFlight = new Set<InFlight>();
  readonly parking: Parking;
  readonly #abort = new AbortController();
  readonly #stopSeen = new AbortController();
  readonly #leaving = new AbortController();
  #observed: Promise<void> | undefined;
  #stopSeenAt: number | undefined;
  #timedOut: AgentFailed | undefined;
  #cleanUp: NodeJS.Timeout | undefined;

  constructor(
    private readonly held: HeldRun,
    private readonly heldBy: HeldBy,
    private readonly draining: AbortSignal,
  ) {
    const noMore = AbortSignal.any([this.#stopSeen.signal, held.lost, draining]);
    const interrupt = (reason: unknown): void => this.#abort.abort(reason);
    this.parking = new Parking({ held, heldBy, noMore, interrupt });
    held.onForeign((event) => this.#foreign(event));
    if (held.run.stop) this.#stopSeen.abort();
    if (held.run.stop?.mode === 'kill') this.#abort.abort(new AgentStopped('kill'));
  }

  /** Aborted by a stop of mode `kill`, by the time limit, by a park, and by a shutdown that waited long enough. */
  get interrupted(): AbortSignal {
    return this.#abort.signal;
  }

  /** Aborted by a stop of any mode. */
  get stopSeen(): AbortSignal {
    return this.#stopSeen.signal;
  }

  /** Aborted when this process will wait no longer for anything. */
  get leaving(): AbortSignal {
    return this.#leaving.signal;
  }

  get stopping(): boolean {
    return this.held.run.stop !== null;
  }

  /** Who asked for the stop, and why; only while stopping. */
  get stopOrder(): { by: Actor; reason: string } {
    const stop = this.held.run.stop;
    return {
      by: { user_id: stop?.by_user_id ?? '', channel: stop?.by_channel ?? 'api' },
      reason: stop?.reason ?? '',
    };
  }

  /** Resolves at once when nothing stands in the way. */
  pass(boundary: string): Promise<void> | undefined {
    if (!this.#open) return this.#wait(boundary);
    this.parking.touch();
    return undefined;
  }

  /** What `arrived` gives; a stop, a shutdown or an interruption does not wait for it and is thrown instead. */
  async awaiting<T>(entry: InFlight, arrived: Promise<T>): Promise<T> {
    const boundary = `${entry.kind}:${entry.name}`;
    const { promise: disturbed, resolve } = Promise.withResolvers<undefined>();
    const signals = [this.held.lost, this.stopSeen, this.interrupted, this.draining];
    const disturb = (): void => resolve(undefined);
    for (const signal of signals) signal.addEventListener('abort', disturb, { once: true });
    if (signals.some((signal) => signal.aborted)) disturb();
    this.inFlight.add(entry);
    try {
      const value = await this.parking.whileBlocked(() =>
        Promise.race([arrived.then((value) => ({ value })), disturbed]),
      );
      if (value) return value.value;
      await this.pass(boundary);
      return await arrived;
    } finally {
      this.inFlight.delete(entry);
      for (const signal of signals) signal.removeEventListener('abort', disturb);
    }
  }

  /** Records `stop.observed`, once. */
  observeStop(boundary: string): Promise<void> {
    this.#observed ??= this.#observe(boundary);
    return this.#observed;
  }

  timeOut(seconds: number): void {
    this.#timedOut = new AgentFailed({
      code: 'timeout',
      category: 'timeout',
      title: 'The run took longer than its limit',
      detail: `the limit is ${seconds} s`,
      remedy: 'Raise limits.timeout_s of the agent or of the start, or let the agent do less.',
      retryable: false,
    });
    this.#abort.abort(this.#timedOut);
  }

  /** This process waits no longer. */
  leave(reason: Error): void {
    this.#leaving.abort(reason);
    this.#abort.abort(reason);
  }

  close(): void {
    clearTimeout(this.#cleanUp);
    this.parking.close();
  }

  get #open(): boolean {
    return (
      !this.held.lost.aborted &&
      !this.stopping &&
      !this.#abort.signal.aborted &&
      !this.parking.deciding &&
      !this.held.run.pause_requested &&
      !this.draining.aborted
    );
  }

  async #wait(boundary: string): Promise<void> {
    while (!this.#open) {
      if (this.held.lost.aborted) throw lossOf(this.held);
      if (this.parking.parked) throw this.#abort.signal.reason;
      if (this.stopping) {
        await this.observeStop(boundary);
        throw new AgentStopped(boundary);
      }
      if (this.#timedOut) throw this.#timedOut;
      if (this.#abort.signal.aborted) throw this.#abort.signal.reason;
      if (this.draining.aborted) throw new Handover(boundary);
      await (this.parking.deciding ?? this.parking.park('pause', `paused before ${boundary}`));
    }
  }

  async #observe(boundary: string): Promise<void> {
    if (!this.held.run.stop_observed)
      await this.held.submit({
        type: 'ObserveStop',
        held_by: this.heldBy,
        boundary,
        in_flight: [...this.inFlight],
        latency_ms: Math.max(0, Math.round(this.#sinceStop())),
      });
    void this.#limitCleanUp();
  }

  async #limitCleanUp(): Promise<void> {
    await this.parking.idle(this.held.lost);
    this.#cleanUp = setTimeout(() => this.#abort.abort(new AgentStopped('clean-up')), CLEAN_UP_MS);
    this.#cleanUp.unref();
  }

  /** By this process's clock where it saw the stop arrive; else the stop was there before this attempt. */
  #sinceStop(): number {
    if (this.#stopSeenAt !== undefined) return performance.now() - this.#stopSeenAt;
    return Date.now() - Date.parse(this.held.run.stop?.requested_at ?? '') || 0;
  }

  #foreign(event: RunEvent): void {
    if (event.type !== 'stop.requested') return;
    this.#stopSeenAt ??= performance.now();
    this.#stopSeen.abort();
    if (event.data.mode === 'kill') this.#abort.abort(new AgentStopped('kill'));
  }
}

export function lossOf(held: HeldRun): HoldLost {
  const reason: unknown = held.lost.reason;
  return reason instanceof HoldLost ? reason : new HoldLost('released', 'the run is held no longer');
}
