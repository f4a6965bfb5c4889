import type { EventData, Json, RunEvent } from '@runledger/run';
import { AgentFailed } from './interruptions.ts';

export interface RecordedStep {
  kind: string;
  signature: string;
  state: 'called' | 'done';
  result: Json;
  is_error: boolean;
  call_id: string;
  idempotent: boolean;
  outcome?: 'unknown' | EventData['outcome.resolved']['choice'];
  child_run_id?: string;
  startsSinceRetry: number;
}

/** What earlier attempts recorded, by index. */
export class Recorded {
  readonly #byIndex = new Map<number, RecordedStep>();
  readonly #byCall = new Map<string, RecordedStep>();

  constructor(history: readonly RunEvent[]) {
    for (const event of history) this.#add(event);
  }

  /** AgentFailed `nondeterministic_agent` where the agent now does something else than it did. */
  match(index: number, kind: string, signature: string): RecordedStep | undefined {
    const step = this.#byIndex.get(index);
    if (!step || (step.kind === kind && step.signature === signature)) return step;
    throw new AgentFailed(
      'nondeterministic_agent',
      `index ${index} is ${step.kind} ${step.signature} in the log, and now ${kind} ${signature}`,
    );
  }

  #add(event: RunEvent): void {
    if (event.type === 'step.completed') {
      const { index, kind, signature, result, is_error } = event.data;
      this.#set(index, { kind, signature, state: 'done', result, is_error });
    } else if (event.type === 'milestone.reached')
      this.#set(event.data.index, { kind: 'milestone', signature: event.data.name, state: 'done' });
    else if (event.type === 'child.spawned') {
      const { index, call_id, child_run_id, agent_id } = event.data;
      this.#set(index, { kind: 'child', signature: agent_id, call_id, child_run_id });
    } else if (event.type === 'tool.called') {
      const { index, args_sha256, call_id, idempotent } = event.data;
      this.#byCall.set(
        call_id,
        this.#set(index, { kind: 'tool', signature: args_sha256, call_id, idempotent }),
      );
    } else this.#follow(event);
  }

  #follow(event: RunEvent): void {
    if (event.type === 'tool.returned') {
      const { call_id, result, is_error } = event.data;
      this.#change(call_id, { state: 'done', result, is_error });
    } else if (event.type === 'outcome.unknown') {
      this.#change(event.data.call_id, { outcome: 'unknown', startsSinceRetry: 0 });
    } else if (event.type === 'outcome.resolved') {
      const { call_id, choice, result } = event.data;
      this.#change(call_id, { outcome: choice, result: result ?? null, startsSinceRetry: 0 });
    } else if (event.type === 'run.started') this.#started();
  }

  /** An attempt that was allowed to do a call again may have done it before it was lost: only the first may. */
  #started(): void {
    for (const step of this.#byCall.values()) {
      if (step.outcome !== 'retry') continue;
      step.startsSinceRetry += 1;
      if (step.startsSinceRetry > 1) delete step.outcome;
    }
  }

  #set(index: number, step: Pick<RecordedStep, 'kind' | 'signature'> & Partial<RecordedStep>): RecordedStep {
    const whole: RecordedStep = {
      state: 'called',
      result: null,
      is_error: false,
      call_id: '',
      idempotent: false,
      startsSinceRetry: 0,
      ...step,
    };
    this.#byIndex.set(index, whole);
    return whole;
  }

  #change(callId: string, change: Partial<RecordedStep>): void {
    const step = this.#byCall.get(callId);
    if (step) Object.assign(step, change);
  }
}
