/**
 * Owns: what an agent does at its boundaries. The index of a call is taken when it is made, before anything is awaited;
 * intents are on disk before what they announce, and results before they are used.
 */
import type { DraftEvent, EventData, HeldBy, Json } from '@runledger/run';
import { HoldLost, type HeldRun, type RunAddress, type RunLog } from '@runledger/run-log';
import type { SimulatedProcess } from '../simulated-process.ts';
import type { World } from '../world.ts';
import type { Gate } from './gate.ts';
import type { Inbox } from './inbox.ts';
import { AgentFailed, AgentStopped, Handover, OutcomeUnknown, Parked } from './interruptions.ts';
import type { Outside, OutsideCall } from './outside.ts';
import type { Recorded, RecordedStep } from './recorded.ts';
import type { Script } from './script.ts';

const FACTS = new Set(['tool.returned', 'turn.completed', 'text.appended', 'cost.added']);
/** What cannot be taken back begins within this time of a look at the log that showed the run as held. */
const BEGIN_WITHIN_MS = 1_000;
const USAGE = { input_tokens: 10, output_tokens: 10, cached_tokens: 0, cost_usd: '1' };

export interface CallParts {
  world: World;
  process: SimulatedProcess;
  runLog: RunLog;
  outside: Outside;
  held: HeldRun;
  heldBy: HeldBy;
  gate: Gate;
  inbox: Inbox;
  recorded: Recorded;
  request: EventData['run.requested'];
  /** Model calls that the log holds. */
  paid: number;
}

/** A call in its place: what it builds upon. */
export interface Place {
  index: number;
  /** The results that the agent has: their indexes, and what they came to. */
  after: readonly number[];
  known: string;
}

interface Outcome {
  result: Json;
  is_error: boolean;
}

export class Calls {
  #paid: number;

  constructor(private readonly parts: CallParts) {
    this.#paid = parts.paid;
  }

  async model(place: Place): Promise<Json> {
    const { gate, recorded } = this.parts;
    const signature = `model ${place.known}`;
    await gate.pass('model');
    const done = recorded.match(place.index, 'model', signature);
    if (done) return done.result;
    await this.#acknowledgeNudges();
    await this.#withinBudget();
    return gate.parking.during(async () => {
      await this.#begin('model');
      const result = await this.#outside(place, { kind: 'model', call_id: '', idempotent: true });
      this.#paid += 1;
      await this.#use(this.#step(place.index, 'model', signature, result));
      return result;
    });
  }

  async step(place: Place): Promise<Json> {
    const { gate, recorded, world } = this.parts;
    const signature = `step ${place.known}`;
    await gate.pass('step');
    const done = recorded.match(place.index, 'step', signature);
    if (done) return done.result;
    return gate.parking.during(async () => {
      const result = `step ${world.random.between(0, 999_999)}`;
      await this.#use(this.#step(place.index, 'step', signature, result));
      return result;
    });
  }

  async milestone({ index }: Place, name: string): Promise<Json> {
    const { gate, recorded } = this.parts;
    await gate.pass('milestone');
    if (recorded.match(index, 'milestone', name)) return null;
    await gate.parking.during(() =>
      this.#record('milestone', [{ type: 'milestone.reached', data: { index, name, detail: '' } }]),
    );
    return null;
  }

  async tool(place: Place, name: string, idempotent: boolean): Promise<Json> {
    await this.parts.gate.pass(`tool:${name}`);
    return this.parts.gate.parking.during(() => this.#tool(place, name, idempotent));
  }

  /** The index is part of the approval's id. */
  async approval({ index }: Place): Promise<Json> {
    const { gate, held, world, process } = this.parts;
    const approval_id = `a${index}`;
    for (;;) {
      await gate.pass('approval');
      const known = held.run.approvals.find((one) => one.approval_id === approval_id);
      if (known && known.state !== 'open') return known.state;
      if (!known) {
        const due_at = world.time.timestampOf(process.timing.now() + world.random.between(20_000, 90_000));
        const data = { approval_id, call_id: `c${index}`, name: 'ask', args: null, args_sha256: '', due_at };
        await this.#record('approval', [
          { type: 'approval.requested', data: { ...data, reason: '', severity: 'low', policy_ids: [] } },
        ]);
      }
      await gate.parking.park('approval');
    }
  }

  async child(place: Place, script: Script): Promise<Json> {
    const { gate, inbox } = this.parts;
    const agent_id = `child-${place.index}`;
    await gate.pass('child');
    const childId = await gate.parking.during(() => this.#findChild(place.index, agent_id, script));
    const end = inbox.endOf(childId) ?? (await gate.awaiting('child', inbox.whenEnded(childId)));
    return { status: end.status, result: end.result ?? null };
  }

  async fail(times: number): Promise<void> {
    await this.parts.gate.pass('fail');
    if (this.parts.held.run.failed_attempts < times) throw new AgentFailed('agent_failed', 'it fails', true);
  }

  async #tool(place: Place, name: string, idempotent: boolean): Promise<Json> {
    const { recorded, world } = this.parts;
    const { index } = place;
    const signature = `${name} ${place.known}`;
    const step = recorded.match(index, 'tool', signature);
    if (step?.state === 'done') return step.result;
    if (step?.outcome === 'mark_done' || step?.outcome === 'skip') return this.#asResolved(index, step);
    const call_id = `c${index}`;
    if (step && world.sabotage !== 'repeat_unknown_outcome') await this.#mayRepeat(step, name);
    const called = { call_id, index, name, args: null, idempotent, args_sha256: signature };
    await this.#record(`tool:${name}`, [{ type: 'tool.called', data: called }]);
    await this.#begin(`tool:${name}`);
    const { result, is_error } = await settle(() =>
      this.#outside(place, { kind: 'tool', call_id, idempotent }),
    );
    const outcome = step?.outcome === 'retry' ? 'retried' : 'done';
    const returned = { call_id, index, is_error, result, duration_ms: 0, outcome } as const;
    await this.#use({ type: 'tool.returned', data: returned });
    return result;
  }

  async #asResolved(index: number, step: RecordedStep): Promise<Json> {
    const skipped = step.outcome === 'skip';
    const result = skipped ? 'skipped' : step.result;
    const data = { call_id: step.call_id, index, is_error: skipped, result, duration_ms: 0 };
    await this.#recordFacts([
      { type: 'tool.returned', data: { ...data, outcome: skipped ? 'skipped' : 'marked_done' } },
    ]);
    return result;
  }

  async #mayRepeat(step: RecordedStep, name: string): Promise<void> {
    if (step.idempotent || step.outcome === 'retry') return;
    if (!step.outcome)
      await this.#record(`tool:${name}`, [
        { type: 'outcome.unknown', data: { call_id: step.call_id, name, args: null } },
      ]);
    throw new OutcomeUnknown(name);
  }

  async #findChild(index: number, agent_id: string, script: Script): Promise<string> {
    const { recorded, world, inbox, held } = this.parts;
    const step = recorded.match(index, 'child', agent_id);
    const address = { tenant_id: held.address.tenant_id, run_id: step?.child_run_id ?? world.newRunId() };
    if (step) {
      const isLeft = world.sabotage === 'absent_child_left';
      if (!isLeft && !inbox.endOf(address.run_id)) await this.#createIfAbsent(address, index, script);
      return address.run_id;
    }
    const spawned = { call_id: `c${index}`, index, child_run_id: address.run_id, agent_id };
    await this.#record('child', [{ type: 'child.spawned', data: { ...spawned, input: script } }]);
    await this.#create(address, index, script);
    return address.run_id;
  }

  async #createIfAbsent(address: RunAddress, index: number, script: Script): Promise<void> {
    const { run } = await this.parts.runLog.load(address);
    if (run.status === 'none') await this.#create(address, index, script);
  }

  async #create(address: RunAddress, index: number, script: Script): Promise<void> {
    const { request, held, runLog } = this.parts;
    const start: EventData['run.requested'] = {
      ...request,
      agent_id: `child-${index}`,
      input: script,
      channel: 'agent',
      parent: { run_id: held.address.run_id, call_id: `c${index}` },
      depth: request.depth + 1,
      labels: {},
      limits: { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 3 },
    };
    await runLog.completeStart(runLog.prepareStart({ type: 'StartRun', request: start }, address));
  }

  async #withinBudget(): Promise<void> {
    const { held, gate, runLog } = this.parts;
    for (;;) {
      await gate.pass('model');
      const limit = limitOf(held.run.limits);
      if (this.#paid + 1 <= limit) return;
      const reached: DraftEvent = {
        type: 'limit.reached',
        data: { limit: 'max_cost_usd', value: String(limit), used: String(this.#paid) },
      };
      await gate.parking.park('budget', () => held.record([reached]));
      if (!gate.parking.parked) continue;
      // A raise that landed before the park was on disk has not seen a run that waits.
      const { run } = await runLog.load(held.address);
      if (limitOf(run.limits) > limit)
        await runLog.execute(held.address, () => ({ type: 'UnparkRun', reason: 'budget' }));
    }
  }

  async #acknowledgeNudges(): Promise<void> {
    const { nudges } = this.parts.held.run;
    if (nudges.length === 0) return;
    const events = nudges.map(({ nudge_id }): DraftEvent => ({
      type: 'nudge.acknowledged',
      data: { nudge_id, turn: 1 },
    }));
    await this.#record('model', events);
  }

  /**
   * Before a call that costs money or changes the world. Throws HoldLost, or AgentStopped: another branch of the agent may
   * have observed a stop since this one passed the gate.
   */
  async #begin(boundary: string): Promise<void> {
    const { world, held, gate } = this.parts;
    if (world.sabotage !== 'begin_unconfirmed') await held.confirm(BEGIN_WITHIN_MS);
    if (!gate.stopping) return;
    await gate.observeStop(boundary);
    throw new AgentStopped(boundary);
  }

  #outside(
    { index, after }: Place,
    call: Pick<OutsideCall, 'kind' | 'call_id' | 'idempotent'>,
  ): Promise<string> {
    const { outside, process, held, heldBy } = this.parts;
    return outside.call(process, { ...call, run_id: held.address.run_id, index, after, ...heldBy });
  }

  #step(index: number, kind: 'model' | 'step', signature: string, result: Json): DraftEvent {
    const data = { index, kind, name: kind, signature, result, is_error: false, duration_ms: 0 };
    return { type: 'step.completed', data: kind === 'model' ? { ...data, usage: USAGE } : data };
  }

  /** Resolves when the result is on disk, and may be used. */
  async #use(event: DraftEvent): Promise<void> {
    const recorded =
      event.type === 'tool.returned' ? this.#recordFacts([event]) : this.#record(event.type, [event]);
    if (this.parts.world.sabotage === 'use_before_record') void recorded.catch(() => undefined);
    else await recorded;
  }

  async #record(boundary: string, events: DraftEvent[]): Promise<void> {
    const { held, gate } = this.parts;
    const refusal = await held.record(events);
    if (!refusal) return;
    if (!gate.stopping) throw new AgentFailed(refusal.code, refusal.detail);
    await gate.observeStop(boundary);
    throw new AgentStopped(boundary);
  }

  /** Once a stop is on its way, everything but facts is dropped. */
  async #recordFacts(events: DraftEvent[]): Promise<void> {
    const { held, gate } = this.parts;
    const wanted = gate.stopping ? events.filter(({ type }) => FACTS.has(type)) : events;
    const refusal = await held.record(wanted);
    if (refusal && !gate.stopping) throw new AgentFailed(refusal.code, refusal.detail);
  }
}

/** The outcome of an agent's own work; what ends the attempt is thrown. */
async function settle(work: () => Promise<Json>): Promise<Outcome> {
  try {
    return { result: await work(), is_error: false };
  } catch (error) {
    const ends = [AgentFailed, AgentStopped, Handover, Parked, HoldLost].some((one) => error instanceof one);
    if (ends) throw error;
    return { result: error instanceof Error ? error.message : String(error), is_error: true };
  }
}

const limitOf = ({ max_cost_usd }: { max_cost_usd: string | null }): number =>
  max_cost_usd === null ? Infinity : Number(max_cost_usd);
