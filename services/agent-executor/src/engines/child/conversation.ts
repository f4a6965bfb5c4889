import {
  AgentFailed,
  AgentStopped,
  ProtocolViolation,
  type AgentProcess,
  type HarnessContext,
  type JsonValue,
  type StartFrame,
  type UpFrame,
} from '@runledger/harness';
import { ChildCalls } from './calls.ts';
import { ProcessNudges } from './nudges.ts';
import { exitFailure, isForTheAgent, violationFailure } from './child-failures.ts';

/** Reports that may wait for the disk before the process is read no further. */
const REPORTS_IN_FLIGHT = 256;
/** Calls that may wait for their answer before the process is read no further. */
const CALLS_IN_FLIGHT = 256;
/** Different refusals that are remembered for the agent's end. */
const REFUSALS_KEPT = 256;
const KILL_GRACE_MS = 2_000;
const EXIT_GRACE_MS = 5_000;

type Result = Extract<UpFrame, { type: 'result' }>;

/** One run of one child process, from its start frame to its exit. */
export class Conversation {
  readonly #calls: ChildCalls;
  readonly #nudges: ProcessNudges;
  readonly #pending = new Set<Promise<void>>();
  #unanswered = 0;
  #onAnswer: (() => void) | undefined;
  readonly #fatal = Promise.withResolvers<never>();
  /** What calls were refused with, by what the process was told. */
  readonly #refusals = new Map<string, AgentFailed>();
  #stopped: AgentStopped | undefined;
  #result: Result | undefined;

  constructor(
    private readonly child: AgentProcess,
    private readonly context: HarnessContext,
  ) {
    this.#calls = new ChildCalls(context);
    this.#nudges = new ProcessNudges(context, (nudge) => child.send({ type: 'nudge', ...nudge }));
    this.#fatal.promise.catch(() => undefined);
  }

  /** The result; rejects with AgentFailed, AgentStopped, or what the boundary ended the attempt with. The process is gone then. */
  async run(start: StartFrame): Promise<JsonValue> {
    const { signal, stopping } = this.context;
    // Only a stop leaves time to clean up.
    const abort = (): void =>
      void (signal.reason instanceof AgentStopped ? this.child.end(KILL_GRACE_MS) : this.child.kill());
    const stop = (): void =>
      this.child.send({ type: 'stop', mode: 'cooperative', reason: 'a stop was requested' });
    signal.addEventListener('abort', abort, { once: true });
    stopping.addEventListener('abort', stop, { once: true });
    try {
      signal.throwIfAborted();
      this.child.send(start);
      await Promise.race([this.#readAll(), this.#fatal.promise]);
      return await this.#conclude();
    } catch (error) {
      throw error instanceof ProtocolViolation ? violationFailure(error, this.child) : error;
    } finally {
      signal.removeEventListener('abort', abort);
      stopping.removeEventListener('abort', stop);
      this.#calls.abandon();
      this.child.kill();
      await this.child.exited;
    }
  }

  async #readAll(): Promise<void> {
    for await (const frame of this.child.frames()) {
      if (this.#result) throw new ProtocolViolation('invalid_frame', 'a frame came after the result');
      if (frame.type === 'result') this.#take(frame);
      else if (frame.type === 'call') this.#call(frame);
      else this.#report(frame);
      if (this.#pending.size >= REPORTS_IN_FLIGHT)
        await Promise.race([Promise.all(this.#pending), this.#fatal.promise]);
      await Promise.race([this.#room(), this.#fatal.promise]);
    }
  }

  /** A process that asks without end, or never reads what it is answered, costs itself and nobody else. */
  async #room(): Promise<void> {
    await this.child.drained();
    while (this.#unanswered >= CALLS_IN_FLIGHT)
      await new Promise<void>((resolve) => (this.#onAnswer = resolve));
  }

  #take(result: Result): void {
    this.#result = result;
    this.child.closeInput();
    setTimeout(() => void this.child.end(KILL_GRACE_MS), EXIT_GRACE_MS).unref();
  }

  #report(frame: Extract<UpFrame, { type: 'event' }>): void {
    const { boundary } = this.context;
    this.#follow(
      frame.event === 'milestone'
        ? boundary.milestone(frame.name, frame.detail)
        : boundary.log(frame.level, frame.source, frame.message),
    );
  }

  #call(frame: Extract<UpFrame, { type: 'call' }>): void {
    // What is wrong with the call is thrown at once: it is an answer too.
    const index = this.context.boundary.position;
    this.#unanswered += 1;
    const answer = (async () => this.#calls.answer(frame))();
    const nudged = async (): Promise<void> => {
      // The end of a step has no index of its own.
      if (frame.method !== 'step_done') await this.#nudges.deliver(index);
    };
    answer
      .then(
        async (value) => {
          await nudged();
          this.child.send({ type: 'reply', id: frame.id, ok: true, value });
        },
        async (error: unknown) => {
          if (isForTheAgent(error)) await nudged();
          this.#refuse(frame.id, error);
        },
      )
      .catch((error: unknown) => this.#fatal.reject(error))
      .finally(() => {
        this.#unanswered -= 1;
        this.#onAnswer?.();
      });
  }

  #refuse(id: string, error: unknown): void {
    if (error instanceof AgentStopped) this.#stopped ??= error;
    else if (!isForTheAgent(error)) return this.#fatal.reject(error);
    const code = error instanceof AgentStopped || error instanceof AgentFailed ? error.code : 'call_failed';
    if (error instanceof AgentFailed && this.#refusals.size < REFUSALS_KEPT)
      this.#refusals.set(refusalKey(error), error);
    this.child.send({ type: 'reply', id, ok: false, error: { code, message: (error as Error).message } });
  }

  #follow(report: Promise<void>): void {
    const settled: Promise<void> = report
      .catch((error: unknown) => {
        if (error instanceof AgentStopped) this.#stopped ??= error;
        else this.#fatal.reject(error);
      })
      .finally(() => this.#pending.delete(settled));
    this.#pending.add(settled);
  }

  async #conclude(): Promise<JsonValue> {
    await Promise.race([Promise.all(this.#pending), this.#fatal.promise]);
    const exit = await this.child.exited;
    this.context.signal.throwIfAborted();
    if (this.#stopped) throw this.#stopped;
    const failure = exitFailure(exit, this.#result !== undefined, this.child);
    if (failure) throw failure;
    const result = this.#result as Result;
    if (result.ok) return result.value;
    const { code, message, retryable } = result.error;
    // A refusal that the agent lets through is the run's failure as it was: it may be one that passes.
    const refusal = this.#refusals.get(refusalKey(result.error));
    if (refusal) throw refusal;
    throw new AgentFailed({
      code,
      category: 'agent',
      title: 'The agent failed',
      detail: message,
      remedy: 'Look at the agent’s code and its log lines.',
      retryable,
    });
  }
}

const refusalKey = ({ code, message }: { code: string; message: string }): string => `${code} ${message}`;
