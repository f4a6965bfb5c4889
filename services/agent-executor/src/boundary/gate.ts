import { AgentFailed, AgentStopped } from '@runledger/harness';
import type { Actor, HeldBy, InFlight, RunEvent } from '@runledger/run';
import { HoldLost, type HeldRun } from '@runledger/run-log';
import { Handover } from './interruptions.ts';

/**
 * What may stand between an agent and its next step: a lost hold, a stop, the run's time limit, the shutdown of this
 * process. Every boundary passes here on entry.
 */
export class Gate {
  readonly inFlight = new Set<InFlight>();
  readonly #abort = new AbortController();
  readonly #stopSeen = new AbortController();
  #observed: Promise<void> | undefined;
  #stopSeenAt: number | undefined;
  #timedOut: AgentFailed | undefined;

  constructor(
    private readonly held: HeldRun,
    private readonly heldBy: HeldBy,
    private readonly draining: AbortSignal,
  ) {
    held.onForeign((event) => this.#foreign(event));
    if (held.run.stop) this.#stopSeen.abort();
    if (held.run.stop?.mode === 'kill') this.#abort.abort(new AgentStopped('kill'));
  }

  /** Aborted by a stop of mode `kill`, by the time limit, and by a shutdown that waited long enough. */
  get interrupted(): AbortSignal {
    return this.#abort.signal;
  }

  /** Aborted by a stop of any mode. */
  get stopSeen(): AbortSignal {
    return this.#stopSeen.signal;
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
    const open = !this.held.lost.aborted && !this.stopping && !this.#timedOut && !this.draining.aborted;
    return open ? undefined : this.#refuse(boundary);
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

  interrupt(reason: Error): void {
    this.#abort.abort(reason);
  }

  async #refuse(boundary: string): Promise<never> {
    if (this.held.lost.aborted) throw lossOf(this.held);
    if (this.stopping) {
      await this.observeStop(boundary);
      throw new AgentStopped(boundary);
    }
    if (this.#timedOut) throw this.#timedOut;
    throw new Handover(boundary);
  }

  async #observe(boundary: string): Promise<void> {
    if (this.held.run.stop_observed) return;
    await this.held.submit({
      type: 'ObserveStop',
      held_by: this.heldBy,
      boundary,
      in_flight: [...this.inFlight],
      latency_ms: Math.max(0, Math.round(this.#sinceStop())),
    });
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
