import { AgentFailed, type JsonValue, type RecordedEvent } from '@runledger/harness';
import type { EventData, EventType } from '@runledger/run';
import { signatureOf } from './signature.ts';

/** What an earlier attempt recorded at one index. */
export interface RecordedStep {
  kind: string;
  name: string;
  /** Hash of the arguments; absent for reports, which are matched by kind and name. */
  signature?: string;
  /** `called`: begun, with no result on record. */
  state: 'called' | 'done';
  result: JsonValue;
  is_error: boolean;
  call_id?: string;
  idempotent?: boolean;
  /** `outcome.unknown` is on record; or what a person said then. */
  outcome?: 'unknown' | 'retry' | 'mark_done' | 'skip';
  /** The run that an agent was called in. */
  child_run_id?: string;
  /** Attempts begun since a person said to do it again: only the first may. */
  startsSinceRetry?: number;
}

/** Everything that earlier attempts recorded, by index. */
export class RecordedSteps {
  readonly #byIndex = new Map<number, RecordedStep>();
  readonly #byCall = new Map<string, RecordedStep>();

  constructor(history: readonly RecordedEvent[]) {
    for (const event of history) this.#add(event);
  }

  get size(): number {
    return this.#byIndex.size;
  }

  /** The step at an index, if there is one. AgentFailed `nondeterministic_agent` when the agent now does something else there. */
  match(index: number, kind: string, name: string, signature?: string): RecordedStep | undefined {
    const step = this.#byIndex.get(index);
    if (!step) return undefined;
    const same =
      step.kind === kind &&
      step.name === name &&
      (step.signature === undefined || step.signature === signature);
    if (same) return step;
    throw new AgentFailed({
      code: 'nondeterministic_agent',
      category: 'agent',
      title: 'The agent did not repeat what it did before',
      detail: `at index ${index} the log holds ${describe(step.kind, step.name, step.signature)}, the agent now asks for ${describe(kind, name, signature)}`,
      remedy:
        'Take the time and random numbers from tools.now() and tools.random(), and wrap side effects in tools.step().',
      retryable: false,
    });
  }

  #add(event: RecordedEvent): void {
    switch (event.type as EventType) {
      case 'tool.called':
        return this.#called(event.data as EventData['tool.called']);
      case 'tool.returned':
        return this.#returned(event.data as EventData['tool.returned']);
      case 'outcome.unknown':
        return this.#outcome((event.data as EventData['outcome.unknown']).call_id, 'unknown');
      case 'outcome.resolved': {
        const { call_id, choice, result } = event.data as EventData['outcome.resolved'];
        return this.#outcome(call_id, choice, result ?? null);
      }
      case 'run.started':
        return this.#started();
      case 'child.spawned': {
        const { index, agent_id, call_id, child_run_id, input } = event.data as EventData['child.spawned'];
        const step = { kind: 'agent', name: agent_id, signature: signatureOf(input), call_id, child_run_id };
        this.#byIndex.set(index, { ...step, state: 'called', result: null, is_error: false });
        return;
      }
      case 'step.completed': {
        const { index, kind, name, signature, result, is_error } = event.data as EventData['step.completed'];
        this.#byIndex.set(index, { kind, name, signature, state: 'done', result, is_error });
        return;
      }
      case 'milestone.reached': {
        const { index, name } = event.data as EventData['milestone.reached'];
        return this.#report(index, 'milestone', name);
      }
      case 'log.written': {
        const { index, level, source } = event.data as EventData['log.written'];
        return this.#report(index, 'log', `${source} ${level}`);
      }
      default:
    }
  }

  #called({ index, name, args_sha256, call_id, idempotent }: EventData['tool.called']): void {
    const step: RecordedStep = {
      kind: 'tool',
      name,
      signature: args_sha256,
      state: 'called',
      result: null,
      is_error: false,
      call_id,
      idempotent,
    };
    this.#byIndex.set(index, step);
    this.#byCall.set(call_id, step);
  }

  #returned({ call_id, result, is_error }: EventData['tool.returned']): void {
    const step = this.#byCall.get(call_id);
    if (step) Object.assign(step, { state: 'done', result, is_error });
  }

  #outcome(callId: string, outcome: NonNullable<RecordedStep['outcome']>, result: JsonValue = null): void {
    const step = this.#byCall.get(callId);
    if (step) Object.assign(step, { outcome, result, startsSinceRetry: 0 });
  }

  /** An attempt that was allowed to do a call again may have done it before it was lost: its outcome is open once more. */
  #started(): void {
    for (const step of this.#byCall.values()) {
      if (step.outcome !== 'retry') continue;
      step.startsSinceRetry = (step.startsSinceRetry ?? 0) + 1;
      if (step.startsSinceRetry > 1) delete step.outcome;
    }
  }

  #report(index: number, kind: string, name: string): void {
    this.#byIndex.set(index, { kind, name, state: 'done', result: null, is_error: false });
  }
}

function describe(kind: string, name: string, signature?: string): string {
  return `${kind} "${name}"${signature ? ` (arguments ${signature.slice(0, 12)})` : ''}`;
}
