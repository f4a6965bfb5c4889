import { backoffMs, pause, type Backoff } from './backoff.ts';
import { ApiError, reasonOf, UnexpectedAnswerError, UnreachableError } from './errors.ts';
import { apiErrorOf } from './problem.ts';

/** One exchange, for people who debug: neither credential nor body is in it. */
export interface HttpTrace {
  method: string;
  url: string;
  attempt: number;
  duration_ms: number;
  status?: number;
  request_id?: string | null;
  error?: string;
}

export interface TransportOptions {
  /** Base URL of the gateway, with or without a path. */
  url: string;
  apiKey?: string | undefined;
  fetch?: typeof globalThis.fetch | undefined;
  /** Time for one attempt to answer, in ms; default 30,000. */
  timeoutMs?: number | undefined;
  /** First and longest wait before a repeat, in ms; default 500 and 5,000. */
  retryMs?: Backoff | undefined;
  /** Sent with every request, e.g. `user-agent`. */
  headers?: Record<string, string> | undefined;
  onHttp?: ((trace: HttpTrace) => void) | undefined;
}

export interface Call {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  query?: URLSearchParams | undefined;
  body?: unknown;
  headers?: Record<string, string> | undefined;
  signal?: AbortSignal | undefined;
}

const RETRIES = 5;
const BACKOFF = { first: 500, cap: 5_000 };
/** A server that asks for more patience than this gets its error passed on instead. */
const LONGEST_RETRY_AFTER_MS = 60_000;

/** Requests with time limits and retries. Every call through `send` must be harmless when it is repeated. */
export class HttpTransport {
  readonly #base: URL;
  readonly #options: TransportOptions;
  readonly #fetch: typeof globalThis.fetch;
  readonly #timeoutMs: number;

  constructor(options: TransportOptions) {
    this.#base = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`);
    if (this.#base.protocol !== 'http:' && this.#base.protocol !== 'https:')
      throw new TypeError(`the URL must be http or https: ${options.url}`);
    this.#options = options;
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#timeoutMs = options.timeoutMs ?? 30_000;
  }

  /** A success, after up to 5 repeats of what failed on the way (network, 5xx). A 4xx is thrown at once as ApiError. */
  send(call: Call): Promise<Response> {
    return this.#repeated(call, (attempt) => this.attempt(call, attempt));
  }

  /** As `send`, once the headers are there: the body is the caller's to read. */
  stream(call: Call): Promise<Response> {
    return this.#repeated(call, async (attempt) => {
      try {
        const response = await this.open(call, this.#timeoutMs, attempt);
        return response.ok ? response : await apiErrorOf(response);
      } catch (error) {
        if (error instanceof UnreachableError) return error;
        throw error;
      }
    });
  }

  async #repeated(
    call: Call,
    attemptOnce: (attempt: number) => Promise<Response | ApiError | UnreachableError>,
  ): Promise<Response> {
    for (let attempt = 0; ; attempt++) {
      const outcome = await attemptOnce(attempt);
      if (outcome instanceof Response) return outcome;
      const wait = retryWait(outcome, attempt, this.#options.retryMs ?? BACKOFF);
      if (wait === null) throw outcome;
      await pause(wait, call.signal);
      call.signal?.throwIfAborted();
    }
  }

  /** The parsed JSON of a success. */
  async json<T>(call: Call): Promise<{ value: T; response: Response }> {
    const response = await this.send(call);
    const text = await response.text();
    try {
      return { value: JSON.parse(text) as T, response };
    } catch {
      const kind = response.headers.get('content-type') ?? 'no content type';
      throw new UnexpectedAnswerError(
        this.urlOf(call),
        `status ${response.status} with ${kind} that is not JSON`,
      );
    }
  }

  /** One attempt, whatever its status. `limitMs` bounds the wait for the headers only; the body is the caller's. */
  async open(call: Call, limitMs: number = this.#timeoutMs, attempt = 0): Promise<Response> {
    const url = this.urlOf(call);
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(new Error(`no answer within ${limitMs} ms`)), limitMs);
    const signal = call.signal ? AbortSignal.any([limit.signal, call.signal]) : limit.signal;
    const started = performance.now();
    const trace = (more: Partial<HttpTrace>): void =>
      this.#options.onHttp?.({
        method: call.method,
        url,
        attempt,
        duration_ms: Math.round(performance.now() - started),
        ...more,
      });
    try {
      const response = await this.#fetch(url, this.#init(call, signal));
      trace({ status: response.status, request_id: response.headers.get('x-request-id') });
      return response;
    } catch (cause) {
      call.signal?.throwIfAborted();
      const reason = limit.signal.aborted ? reasonOf(limit.signal.reason) : reasonOf(cause);
      trace({ error: reason });
      throw new UnreachableError(url, reason, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  urlOf(call: Pick<Call, 'path' | 'query'>): string {
    const url = new URL(call.path, this.#base);
    if (call.query) url.search = call.query.toString();
    return url.href;
  }

  /** One whole exchange: the buffered success, or the error of this attempt as a value. Throws only when aborted. */
  async attempt(call: Call, attempt = 0): Promise<Response | ApiError | UnreachableError> {
    const limit = AbortSignal.timeout(this.#timeoutMs);
    const signal = call.signal ? AbortSignal.any([limit, call.signal]) : limit;
    try {
      const response = await this.open({ ...call, signal }, this.#timeoutMs, attempt);
      if (!response.ok) return await apiErrorOf(response);
      const body = response.status === 204 ? null : await response.arrayBuffer();
      return new Response(body, { status: response.status, headers: response.headers });
    } catch (error) {
      call.signal?.throwIfAborted();
      if (error instanceof UnreachableError) return error;
      const reason = limit.aborted ? `no whole answer within ${this.#timeoutMs} ms` : reasonOf(error);
      return new UnreachableError(this.urlOf(call), reason, { cause: error });
    }
  }

  #init(call: Call, signal: AbortSignal): RequestInit {
    const headers = new Headers({ accept: 'application/json', ...this.#options.headers, ...call.headers });
    if (this.#options.apiKey) headers.set('authorization', `Bearer ${this.#options.apiKey}`);
    if (call.body === undefined) return { method: call.method, headers, signal };
    headers.set('content-type', 'application/json');
    return { method: call.method, headers, signal, body: JSON.stringify(call.body) };
  }
}

function retryWait(error: ApiError | UnreachableError, attempt: number, backoff: Backoff): number | null {
  if (attempt >= RETRIES) return null;
  const wait = backoffMs(backoff, attempt);
  if (error instanceof UnreachableError) return wait;
  if (error.status < 500) return null;
  const asked = error.retry_after_ms ?? 0;
  return asked > LONGEST_RETRY_AFTER_MS ? null : Math.max(wait, asked);
}
