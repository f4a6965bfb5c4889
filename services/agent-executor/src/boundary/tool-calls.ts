/**
 * Owns: calls that change the world. The intent is on disk before the call, the outcome after it; between the two the
 * outcome is open, and only an idempotent call may be made again.
 */
import type { Boundary, JsonValue } from '@runledger/harness';
import type { EventData } from '@runledger/run';
import { OutcomeUnknown } from './interruptions.ts';
import type { LargeValues } from './large-values.ts';
import type { RecordedStep, RecordedSteps } from './recorded-steps.ts';
import type { Recorder } from './recorder.ts';
import { settle, type Outcome } from './settle.ts';
import { signatureOf } from './signature.ts';

export type ToolCall = Parameters<Boundary['callTool']>[0];

export interface ToolCallParts {
  run_id: string;
  recorder: Recorder;
  recorded: RecordedSteps;
  values: LargeValues;
  inFlight: <T>(kind: string, name: string, work: () => Promise<T>) => Promise<T>;
}

export class ToolCalls {
  constructor(private readonly parts: ToolCallParts) {}

  async call(index: number, call: ToolCall, execute: (key: string) => Promise<JsonValue>): Promise<Outcome> {
    const signature = signatureOf(call.args);
    const step = this.parts.recorded.match(index, 'tool', call.name, signature);
    if (step?.state === 'done')
      return { result: await this.parts.values.get(step.result), is_error: step.is_error };
    if (step?.outcome === 'mark_done' || step?.outcome === 'skip') return this.#asResolved(index, step);
    const call_id = step?.call_id ?? call.call_id ?? `c${index}`;
    if (step) await this.#mayRepeat(step, call_id, call);
    await this.#called(index, call_id, call, signature);
    const started = performance.now();
    const { result, is_error } = await this.parts.inFlight('tool', call.name, () =>
      settle(() => execute(`${this.parts.run_id}/${call_id}`)),
    );
    const stored = await this.parts.values.put(result);
    const duration_ms = Math.round(performance.now() - started);
    const outcome = step?.outcome === 'retry' ? 'retried' : 'done';
    await this.parts.recorder.recordFacts([
      {
        type: 'tool.returned',
        data: { call_id, index, is_error, result: stored, duration_ms, outcome },
      },
    ]);
    return { result, is_error };
  }

  async #called(index: number, call_id: string, call: ToolCall, args_sha256: string): Promise<void> {
    const { name, idempotent, turn } = call;
    const args = await this.parts.values.put(call.args);
    const data: EventData['tool.called'] = { call_id, index, name, args, idempotent, args_sha256 };
    const event = { type: 'tool.called' as const, data: turn === undefined ? data : { ...data, turn } };
    // What is on record already is answered from the leader's last message, and not recorded again.
    await this.parts.recorder.record(`tool:${name}`, [event]);
    await this.parts.recorder.begin(`tool:${name}`);
  }

  /** A person said what became of the call: that is its result. */
  async #asResolved(index: number, step: RecordedStep): Promise<Outcome> {
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
}
