import { AgentFailed, AgentStopped } from '@runledger/harness';
import { type DraftEvent, endAtLogCap, type Refusal } from '@runledger/run';
import type { HeldRun } from '@runledger/run-log';
import type { Gate } from './gate.ts';

/** What is true already when a stop is seen, and is recorded all the same. */
const FACTS = new Set(['tool.returned', 'turn.completed', 'text.appended', 'cost.added']);

/**
 * What cannot be taken back begins within this time of a look at the log that showed the run as held by this process.
 * After a longer silence (a stopped process, a log that did not answer) the log is asked again.
 */
const BEGIN_WITHIN_MS = 5_000;

/** Records what an agent did; the domain's refusals become what the agent must know. */
export class Recorder {
  #full: Promise<AgentFailed> | undefined;

  constructor(
    private readonly held: HeldRun,
    private readonly gate: Gate,
  ) {}

  /**
   * Before a call that costs money or changes the world. Throws HoldLost, or AgentStopped: another branch of the agent
   * may have observed a stop since this one passed the gate, and nothing begins after the receipt.
   */
  async begin(boundary: string): Promise<void> {
    await this.held.confirm(BEGIN_WITHIN_MS);
    if (!this.gate.stopping) return;
    await this.gate.observeStop(boundary);
    throw new AgentStopped(boundary);
  }

  /** Resolves when the events are on disk. A refusal because of a stop is the stop reaching the agent. */
  async record(boundary: string, events: DraftEvent[]): Promise<void> {
    const refusal = await this.held.record(events);
    if (refusal) await this.#refused(boundary, refusal);
  }

  /** As `record`; once a stop is on its way, everything but facts is dropped. */
  async recordFacts(events: DraftEvent[]): Promise<void> {
    const wanted = this.gate.stopping ? facts(events) : events;
    if (wanted.length === 0) return;
    const refusal = await this.held.record(wanted);
    if (!refusal) return;
    if (!this.gate.stopping) throw await this.#notAllowed(refusal);
    const left = facts(wanted);
    if (left.length > 0 && left.length < wanted.length) await this.held.record(left);
  }

  /** Facts, or what is about to happen: only facts may still be recorded once a stop is on its way. */
  emit(boundary: string, events: DraftEvent[]): Promise<void> {
    return facts(events).length === events.length ? this.recordFacts(events) : this.record(boundary, events);
  }

  async #refused(boundary: string, refusal: Refusal): Promise<never> {
    if (!this.gate.stopping) throw await this.#notAllowed(refusal);
    await this.gate.observeStop(boundary);
    throw new AgentStopped(boundary);
  }

  #notAllowed(refusal: Refusal): Promise<AgentFailed> {
    if (refusal.code !== 'limit_reached') return Promise.resolve(disagreement(refusal));
    this.#full ??= this.#atCap();
    return this.#full;
  }

  /** There is room left for why the run ends, and for its end. */
  async #atCap(): Promise<AgentFailed> {
    const { most, used } = this.held.commits;
    const { reached, error } = endAtLogCap(most, used);
    await this.held.record([reached]);
    return new AgentFailed(error);
  }
}

function facts(events: DraftEvent[]): DraftEvent[] {
  return events.filter((event) => FACTS.has(event.type));
}

function disagreement({ code, detail }: Refusal): AgentFailed {
  return new AgentFailed({
    code,
    category: 'system',
    title: 'The log refused what the agent did',
    detail,
    remedy: 'Report this with the run id: the executor and the log disagree.',
    retryable: false,
  });
}
