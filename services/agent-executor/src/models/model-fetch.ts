/**
 * Owns: how long a model endpoint is waited for, how much is read of it, and how often it is asked again.
 *
 * 1. A call ends: after `timeoutMs` in all, after `silenceMs` without a byte, or at `replyBytes`.
 * 2. What is refused with 408, 409, 429 or 5xx, and what cannot be reached, is asked again at most three times, not before
 *    the time that `Retry-After` names. Nothing is asked again once an answer has begun.
 * 3. A stop does not cut a request off, and none is begun after it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AgentStopped } from '@runledger/harness';
import { failureOfCall, failureOfConnection, retryAfter } from './provider-errors.ts';

export interface ModelLimits {
  timeoutMs: number;
  silenceMs: number;
  replyBytes: number;
}

/** Tries after the first. */
const RETRIES = 3;
const FIRST_WAIT_MS = 1_000;
const JITTER = 0.2;
/** Who asks for more is asked again by the run's next attempt, which needs no slot meanwhile. */
const LONGEST_WAIT_MS = 30_000;

/** What a call is made with, for an endpoint whose model is called `name`. */
export function modelFetch(name: string, limits: ModelLimits, stopping: AbortSignal): typeof fetch {
  return async (input, init) => {
    const call = new Call(name, limits, init?.signal ?? undefined);
    try {
      const response = await ask(call, stopping, () => fetch(input, { ...init, signal: call.signal }));
      return call.watch(response);
    } catch (error) {
      call.end();
      throw error;
    }
  };
}

async function ask(call: Call, stopping: AbortSignal, request: () => Promise<Response>): Promise<Response> {
  for (let tries = 0; ; tries += 1) {
    const answer = await call
      .listening(request())
      .catch((error: unknown) => ({ error, status: 0, headers: new Headers() }));
    const wait = waitBefore(tries, answer);
    if (wait === undefined || call.signal.aborted) {
      if ('error' in answer) throw call.failureOf('unreachable', answer.error);
      return answer;
    }
    if (!('error' in answer)) await answer.body?.cancel();
    if (await isInterrupted(wait, call.signal, stopping))
      throw new AgentStopped(`another call of ${call.name}`);
  }
}

/** In ms; undefined: the answer stands. Status 0 is no answer at all. */
export function waitBefore(
  tries: number,
  { status, headers }: Pick<Response, 'status' | 'headers'>,
  chance: () => number = Math.random,
): number | undefined {
  const isTransient = status === 0 || [408, 409, 429].includes(status) || status >= 500;
  if (!isTransient || tries >= RETRIES) return undefined;
  const asked = retryAfter(Object.fromEntries(headers)) ?? 0;
  if (asked > LONGEST_WAIT_MS) return undefined;
  return Math.max(asked, FIRST_WAIT_MS * 2 ** tries * (1 - JITTER + 2 * JITTER * chance()));
}

/** Whether a stop came before the time was over. Rejects when the call is aborted. */
async function isInterrupted(ms: number, aborted: AbortSignal, stopping: AbortSignal): Promise<boolean> {
  const either = AbortSignal.any([aborted, stopping]);
  await delay(ms, undefined, { signal: either }).catch(() => undefined);
  aborted.throwIfAborted();
  return stopping.aborted;
}

/** One call with its clocks. */
class Call {
  readonly signal: AbortSignal;
  readonly #abort = new AbortController();
  readonly #whole: NodeJS.Timeout;
  #bytes = 0;

  constructor(
    readonly name: string,
    private readonly limits: ModelLimits,
    outer: AbortSignal | undefined,
  ) {
    this.signal = outer ? AbortSignal.any([outer, this.#abort.signal]) : this.#abort.signal;
    this.#whole = setTimeout(() => this.#fail('timeout'), limits.timeoutMs);
  }

  end(): void {
    clearTimeout(this.#whole);
  }

  /** Why nothing more comes: this side's reason goes first. */
  failureOf(what: 'unreachable' | 'cut', error: unknown): unknown {
    return this.signal.aborted ? this.signal.reason : failureOfConnection(what, this.name, error);
  }

  /** What the endpoint has to give next. */
  async listening<T>(next: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#fail('silence'), this.limits.silenceMs);
    try {
      return await next;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The response, whose body keeps to the limits. Whoever reads slowly does so at nobody's cost. */
  watch(response: Response): Response {
    const reader = (response.body as ReadableStream<Uint8Array> | null)?.getReader();
    if (!reader) {
      this.end();
      return response;
    }
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          const { done, value } = await this.listening(reader.read());
          if (done) {
            this.end();
            return controller.close();
          }
          this.#count(value);
          controller.enqueue(value);
        } catch (error) {
          this.end();
          controller.error(this.failureOf('cut', error));
        }
      },
      cancel: (reason) => {
        this.end();
        return reader.cancel(reason);
      },
    });
    const { status, statusText, headers } = response;
    return new Response(body, { status, statusText, headers });
  }

  #count(chunk: Uint8Array): void {
    this.#bytes += chunk.byteLength;
    if (this.#bytes > this.limits.replyBytes) this.#fail('size');
    this.signal.throwIfAborted();
  }

  #fail(limit: 'timeout' | 'silence' | 'size'): void {
    this.#abort.abort(failureOfCall(limit, this.name, this.limits));
  }
}
