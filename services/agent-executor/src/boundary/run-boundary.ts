import {
  AgentFailed,
  AgentStopped,
  type Boundary,
  type JsonValue,
  type ModelAnswer,
  type ModelCall,
} from '@runledger/harness';
import type { EventData, InFlight, StepKind } from '@runledger/run';
import { HoldLost } from '@runledger/run-log';
import type { Gate } from './gate.ts';
import { Handover, OutcomeUnknown } from './interruptions.ts';
import { cutText, type LargeValues } from './large-values.ts';
import type { RecordedStep, RecordedSteps } from './recorded-steps.ts';
import type { Recorder } from './recorder.ts';
import { signatureOf } from './signature.ts';

export interface BoundaryParts {
  run_id: string;
  gate: Gate;
  recorder: Recorder;
  recorded: RecordedSteps;
  values: LargeValues;
  callModel: (call: ModelCall) => Promise<ModelAnswer>;
}

type ToolCall = Parameters<Boundary['callTool']>[0];

/**
 * The Boundary of one attempt. The index of a step is taken when its method is called, before anything is awaited, so
 * that it follows the agent's own order.
 */
export class RunBoundary implements Boundary {
  #next = 0;

  constructor(private readonly parts: BoundaryParts) {}

  async callModel(call: ModelCall): Promise<ModelAnswer> {
    const name = call.model ?? 'default';
    const value = await this.#once('model', name, call as unknown as JsonValue, async () => {
      const answer = await this.parts.callModel(call);
      return { value: answer as unknown as JsonValue, usage: answer.usage };
    });
    return value as unknown as ModelAnswer;
  }

  async callTool(
    call: ToolCall,
    execute: (key: string) => Promise<JsonValue>,
  ): Promise<{ result: JsonValue; is_error: boolean }> {
    const index = this.#next++;
    const boundary = `tool:${call.name}`;
    await this.parts.gate.pass(boundary);
    const signature = signatureOf(call.args);
    const step = this.parts.recorded.match(index, 'tool', call.name, signature);
    if (step?.state === 'done')
      return { result: await this.parts.values.get(step.result), is_error: step.is_error };
    if (step?.outcome === 'mark_done' || step?.outcome === 'skip') return this.#asResolved(index, step);
    const call_id = step?.call_id ?? call.call_id ?? `c${index}`;
    if (step) await this.#mayRepeat(step, call_id, call);
    else
      await this.#toolCalled(boundary, {
        call_id,
        index,
        name: call.name,
        args: call.args,
        idempotent: call.idempotent,
        args_sha256: signature,
        ...(call.turn === undefined ? {} : { turn: call.turn }),
      });
    const started = performance.now();
    const { result, is_error } = await this.#inFlight('tool', call.name, () =>
      settle(() => execute(`${this.parts.run_id}/${call_id}`)),
    );
    const stored = await this.parts.values.put(result);
    const duration_ms = Math.round(performance.now() - started);
    await this.parts.recorder.recordFacts([
      {
        type: 'tool.returned',
        data: {
          call_id,
          index,
          is_error,
          result: stored,
          duration_ms,
          outcome: step?.outcome === 'retry' ? 'retried' : 'done',
        },
      },
    ]);
    return { result, is_error };
  }

  async step(name: string, args: JsonValue, execute: () => Promise<JsonValue>): Promise<JsonValue> {
    return this.#once('step', name, args, async () => ({ value: await execute() }));
  }

  async data(): Promise<JsonValue> {
    throw unavailable(
      'data_store_unavailable',
      'The data store is not available',
      'Keep what the agent needs in its input, or record it with tools.step().',
    );
  }

  async callAgent(): Promise<JsonValue> {
    throw unavailable(
      'children_unavailable',
      'Agents cannot call other agents in this version',
      'Start the other agent as a run of its own.',
    );
  }

  async now(): Promise<number> {
    return (await this.#once('clock', 'now', null, async () => ({ value: Date.now() }))) as number;
  }

  async random(): Promise<number> {
    return (await this.#once('random', 'random', null, async () => ({ value: Math.random() }))) as number;
  }

  async milestone(fullName: string, detail: string): Promise<void> {
    const index = this.#next++;
    const name = cutText(fullName, 1024);
    const closed = this.parts.gate.pass(`milestone:${name}`);
    if (closed) await closed;
    if (this.parts.recorded.match(index, 'milestone', name)) return;
    await this.parts.recorder.record(`milestone:${name}`, [
      { type: 'milestone.reached', data: { index, name, detail: cutText(detail) } },
    ]);
  }

  async log(
    level: EventData['log.written']['level'],
    source: EventData['log.written']['source'],
    message: string,
  ): Promise<void> {
    const index = this.#next++;
    const closed = this.parts.gate.pass('log');
    if (closed) await closed;
    if (this.parts.recorded.match(index, 'log', `${source} ${level}`)) return;
    await this.parts.recorder.record('log', [
      { type: 'log.written', data: { index, level, source, message: cutText(message) } },
    ]);
  }

  async check(boundary: string): Promise<void> {
    await this.parts.gate.pass(boundary);
  }

  /** A repeatable step: the recorded result, or the work and then its record. A recorded error is thrown again. */
  async #once(
    kind: StepKind,
    name: string,
    args: JsonValue,
    execute: () => Promise<{ value: JsonValue; usage?: ModelAnswer['usage'] }>,
  ): Promise<JsonValue> {
    const index = this.#next++;
    const boundary = `${kind}:${name}`;
    const closed = this.parts.gate.pass(boundary);
    if (closed) await closed;
    const signature = signatureOf(args);
    const step = this.parts.recorded.match(index, kind, name, signature);
    if (step) return recall(step.is_error, await this.parts.values.get(step.result));
    const started = performance.now();
    let usage: ModelAnswer['usage'] | undefined;
    const { result, is_error } = await this.#inFlight(kind, name, () =>
      settle(async () => {
        const done = await execute();
        usage = done.usage;
        return done.value;
      }),
    );
    const stored = await this.parts.values.put(result);
    const duration_ms = Math.round(performance.now() - started);
    await this.parts.recorder.record(boundary, [
      {
        type: 'step.completed',
        data: {
          index,
          kind,
          name,
          signature,
          result: stored,
          is_error,
          duration_ms,
          ...(usage ? { usage } : {}),
        },
      },
    ]);
    return recall(is_error, result);
  }

  async #toolCalled(boundary: string, data: EventData['tool.called']): Promise<void> {
    const args = await this.parts.values.put(data.args);
    await this.parts.recorder.record(boundary, [{ type: 'tool.called', data: { ...data, args } }]);
  }

  /** A person said what became of the call: that is its result. */
  async #asResolved(index: number, step: RecordedStep): Promise<{ result: JsonValue; is_error: boolean }> {
    const skipped = step.outcome === 'skip';
    const result = skipped
      ? { message: 'skipped: it is not known whether this call took effect' }
      : step.result;
    const data = { call_id: step.call_id ?? '', index, is_error: skipped, result, duration_ms: 0 };
    await this.parts.recorder.recordFacts([
      { type: 'tool.returned', data: { ...data, outcome: skipped ? 'skipped' : 'marked_done' } },
    ]);
    return { result: await this.parts.values.get(result), is_error: skipped };
  }

  /** A call that was begun and has no result may be done again when it is idempotent, or when a person said so. */
  async #mayRepeat(step: RecordedStep, callId: string, call: ToolCall): Promise<void> {
    if (step.idempotent || step.outcome === 'retry') return;
    if (!step.outcome) {
      const args = await this.parts.values.put(call.args);
      await this.parts.recorder.record(`tool:${call.name}`, [
        { type: 'outcome.unknown', data: { call_id: callId, name: call.name, args } },
      ]);
    }
    throw new OutcomeUnknown(callId, call.name);
  }

  async #inFlight<T>(kind: string, name: string, work: () => Promise<T>): Promise<T> {
    const entry: InFlight = { kind, name, started_at: new Date().toISOString() };
    this.parts.gate.inFlight.add(entry);
    try {
      return await work();
    } finally {
      this.parts.gate.inFlight.delete(entry);
    }
  }
}

/** The outcome of an agent's own work; what ends the attempt is thrown. */
async function settle(work: () => Promise<JsonValue>): Promise<{ result: JsonValue; is_error: boolean }> {
  try {
    return { result: (await work()) ?? null, is_error: false };
  } catch (error) {
    if (
      error instanceof AgentFailed ||
      error instanceof AgentStopped ||
      error instanceof Handover ||
      error instanceof HoldLost
    )
      throw error;
    return { result: { message: error instanceof Error ? error.message : String(error) }, is_error: true };
  }
}

function recall(isError: boolean, result: JsonValue): JsonValue {
  if (!isError) return result;
  throw new Error(messageOf(result));
}

function messageOf(result: JsonValue): string {
  const message =
    typeof result === 'object' && result !== null && !Array.isArray(result) ? result.message : undefined;
  return typeof message === 'string' ? message : JSON.stringify(result);
}

function unavailable(code: string, title: string, remedy: string): AgentFailed {
  return new AgentFailed({
    code,
    category: 'agent',
    title,
    detail: 'this version of Runledger has no such boundary yet',
    remedy,
    retryable: false,
  });
}
