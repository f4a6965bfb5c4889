import {
  AgentFailed,
  type Boundary,
  type JsonValue,
  type ModelAnswer,
  type ModelCall,
} from '@runledger/harness';
import type { EventData, InFlight, StepKind } from '@runledger/run';
import { turnsReached, turnsUsed } from '../budget/turns.ts';
import type { Payment, Purse } from '../budget/purse.ts';
import type { AgentCalls } from './agent-calls.ts';
import type { Gate } from './gate.ts';
import { cutText, type LargeValues } from './large-values.ts';
import type { RecordedSteps } from './recorded-steps.ts';
import type { Recorder } from './recorder.ts';
import { recall, settle, type Outcome } from './settle.ts';
import { signatureOf } from './signature.ts';
import { ToolCalls, type ToolCall } from './tool-calls.ts';

export interface BoundaryParts {
  run_id: string;
  gate: Gate;
  recorder: Recorder;
  recorded: RecordedSteps;
  values: LargeValues;
  agents: AgentCalls;
  purse: Purse;
  /** The agent's own model. */
  model: string;
  turnsAllowed: (turn: number) => Promise<number | null>;
  callModel: (call: ModelCall) => Promise<ModelAnswer>;
}

interface Step {
  index: number;
  kind: StepKind;
  name: string;
  args: JsonValue;
}

/**
 * The Boundary of one attempt. The index of a step is taken when its method is called, before anything is awaited, so
 * that it follows the agent's own order.
 */
export class RunBoundary implements Boundary {
  #next = 0;
  #modelCalls = 0;
  readonly #tools: ToolCalls;

  constructor(private readonly parts: BoundaryParts) {
    const inFlight = <T>(kind: string, name: string, work: () => Promise<T>): Promise<T> =>
      this.#inFlight(kind, name, work);
    this.#tools = new ToolCalls({ ...parts, inFlight });
  }

  get position(): number {
    return this.#next;
  }

  async callModel(call: ModelCall): Promise<ModelAnswer> {
    const name = call.model ?? 'default';
    const step = { index: this.#next++, kind: 'model' as const, name, args: call as unknown as JsonValue };
    this.#modelCalls += 1;
    const turn = this.#modelCalls;
    let payment: Payment | undefined;
    const value = await this.#once(
      step,
      async () => {
        const answer = await this.#pay(payment as Payment, call);
        return { value: answer as unknown as JsonValue, usage: answer.usage };
      },
      async () => {
        await this.#withinTurns(turn);
        payment = await this.parts.purse.reserve({
          boundary: `model:${name}`,
          model: call.model ?? this.parts.model,
          messages: call.messages,
          max_tokens: call.settings?.max_tokens,
        });
      },
    );
    return value as unknown as ModelAnswer;
  }

  async callTool(call: ToolCall, execute: (key: string) => Promise<JsonValue>): Promise<Outcome> {
    const index = this.#next++;
    const closed = this.parts.gate.pass(`tool:${call.name}`);
    if (closed) await closed;
    return this.parts.gate.parking.during(() => this.#tools.call(index, call, execute));
  }

  async step(name: string, args: JsonValue, execute: () => Promise<JsonValue>): Promise<JsonValue> {
    return this.#once({ index: this.#next++, kind: 'step', name, args }, async () => ({
      value: await execute(),
    }));
  }

  async data(): Promise<JsonValue> {
    throw new AgentFailed({
      code: 'data_store_unavailable',
      category: 'agent',
      title: 'The data store is not available',
      detail: 'this version of Runledger has no such boundary yet',
      remedy: 'Keep what the agent needs in its input, or record it with tools.step().',
      retryable: false,
    });
  }

  async callAgent(agentId: string, input: JsonValue): Promise<JsonValue> {
    return this.parts.agents.call(this.#next++, agentId, input);
  }

  async now(): Promise<number> {
    const step = { index: this.#next++, kind: 'clock' as const, name: 'now', args: null };
    return (await this.#once(step, async () => ({ value: Date.now() }))) as number;
  }

  async random(): Promise<number> {
    const step = { index: this.#next++, kind: 'random' as const, name: 'random', args: null };
    return (await this.#once(step, async () => ({ value: Math.random() }))) as number;
  }

  async milestone(fullName: string, detail: string): Promise<void> {
    const index = this.#next++;
    const name = cutText(fullName, 1024);
    const closed = this.parts.gate.pass(`milestone:${name}`);
    if (closed) await closed;
    if (this.parts.recorded.match(index, 'milestone', name)) return;
    await this.#report(`milestone:${name}`, {
      type: 'milestone.reached',
      data: { index, name, detail: cutText(detail) },
    });
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
    await this.#report('log', {
      type: 'log.written',
      data: { index, level, source, message: cutText(message) },
    });
  }

  async check(boundary: string): Promise<void> {
    await this.parts.gate.pass(boundary);
  }

  async #report(boundary: string, event: Parameters<Recorder['record']>[1][number]): Promise<void> {
    const { parking } = this.parts.gate;
    parking.enter();
    try {
      await this.parts.recorder.record(boundary, [event]);
    } finally {
      parking.leave();
    }
  }

  async #pay(payment: Payment, call: ModelCall): Promise<ModelAnswer> {
    const { max_tokens } = payment;
    const settings = max_tokens === undefined ? call.settings : { ...call.settings, max_tokens };
    let answer: ModelAnswer;
    try {
      await this.parts.recorder.begin(`model:${call.model ?? 'default'}`);
      answer = await this.parts.callModel(settings ? { ...call, settings } : call);
    } catch (error) {
      await payment.release();
      throw error;
    }
    return { ...answer, usage: await payment.settle(answer.usage) };
  }

  async #withinTurns(turn: number): Promise<void> {
    const most = await this.parts.turnsAllowed(turn);
    if (most === null || turn <= most) return;
    await this.parts.recorder.record(`turn ${turn}`, [turnsReached(most)]);
    throw turnsUsed(most);
  }

  /** A repeatable step: the recorded result, or the work and then its record. A recorded error is thrown again. */
  async #once(
    step: Step,
    execute: () => Promise<{ value: JsonValue; usage?: ModelAnswer['usage'] }>,
    before?: () => Promise<void>,
  ): Promise<JsonValue> {
    const { index, kind, name, args } = step;
    const { gate, recorded, values } = this.parts;
    const closed = gate.pass(`${kind}:${name}`);
    if (closed) await closed;
    const done = recorded.match(index, kind, name, signatureOf(args));
    if (done) return recall({ is_error: done.is_error, result: await values.get(done.result) });
    await before?.();
    return recall(await gate.parking.during(() => this.#perform(step, execute)));
  }

  async #perform(
    { index, kind, name, args }: Step,
    execute: () => Promise<{ value: JsonValue; usage?: ModelAnswer['usage'] }>,
  ): Promise<Outcome> {
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
    const done = { index, kind, name, signature: signatureOf(args), result: stored, is_error, duration_ms };
    await this.parts.recorder.record(`${kind}:${name}`, [
      { type: 'step.completed', data: usage ? { ...done, usage } : done },
    ]);
    return { result, is_error };
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
