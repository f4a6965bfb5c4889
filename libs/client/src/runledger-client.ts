import type {
  Agent,
  ApprovalDecision,
  ApprovalPage,
  ControlAnswer,
  EventPage,
  Health,
  OpenApproval,
  OutcomeChoice,
  Principal,
  RaisedLimits,
  Run,
  RunPage,
  RunQuery,
  RunSummary,
  RunTree,
  SentNudge,
  StartedRun,
  StartRequest,
  StopAnswer,
  StoredEvent,
} from './api-shapes.ts';
import { UnexpectedAnswerError } from './errors.ts';
import { followRun, type FollowOptions } from './follow.ts';
import { HttpTransport, type TransportOptions } from './http-transport.ts';
import { KeyCalls } from './key-calls.ts';
import { newIdempotencyKey } from './idempotency-key.ts';
import { RunCursor } from './run-cursor.ts';
import { ScheduleCalls } from './schedule-calls.ts';
import { readStoredLines, STORED_LINES } from './stored-lines.ts';
import { fetchBytes } from './trace/fetch-trace.ts';
import { verifyAgainstRun, type VerifiedRun } from './trace/verify-against-run.ts';
import type { TraceEvent } from './trace/verify-trace.ts';
import { verified, type VerifiedEvent } from './verify.ts';

export type ClientOptions = TransportOptions;

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface VerifyOptions extends CallOptions {
  chunks?: AsyncIterable<Uint8Array> | undefined;
  blobs?: boolean | undefined;
  /** Told of each event whose line fits the digests so far. */
  onEvent?: ((event: TraceEvent) => void | Promise<void>) | undefined;
}

/**
 * The HTTP API of a gateway. Calls are repeated on network failures and 5xx (5 times, honouring `Retry-After`) and throw
 * ApiError, UnreachableError or UnexpectedAnswerError.
 */
export class RunledgerClient {
  readonly keys: KeyCalls;
  readonly schedules: ScheduleCalls;
  readonly #http: HttpTransport;

  constructor(options: ClientOptions) {
    this.#http = new HttpTransport(options);
    this.keys = new KeyCalls(this.#http);
    this.schedules = new ScheduleCalls(this.#http);
  }

  /** Starts a run. A repeat with the same key and request answers the same run, so retries never start two. */
  async start(
    request: StartRequest,
    options: CallOptions & { idempotencyKey?: string | undefined } = {},
  ): Promise<StartedRun> {
    const { value, response } = await this.#http.json<Omit<StartedRun, 'replayed'>>({
      method: 'POST',
      path: 'agents/run-code/start',
      body: request,
      headers: { 'idempotency-key': options.idempotencyKey ?? newIdempotencyKey() },
      signal: options.signal,
    });
    return { ...value, replayed: response.headers.get('idempotency-replayed') === 'true' };
  }

  /** The run now, or as it was after event `at`. */
  async getRun(runId: string, options: CallOptions & { at?: number | undefined } = {}): Promise<Run> {
    const query = options.at === undefined ? undefined : new URLSearchParams({ at: String(options.at) });
    return this.#get<Run>(runPath(runId), query, options);
  }

  /** The bytes of the run's trace, gzip, as they come. `verifyTrace` checks them. */
  trace(runId: string, options: CallOptions = {}): AsyncGenerator<Uint8Array, void> {
    const path = `${runPath(runId)}/trace`;
    const headers = { accept: 'application/gzip' };
    return fetchBytes(this.#http, { method: 'GET', path, headers, signal: options.signal });
  }

  /** The bytes of a value that an event keeps by reference: JSON. */
  async blob(runId: string, sha256: string, options: CallOptions = {}): Promise<Uint8Array> {
    const path = `${runPath(runId)}/blobs/${segment(sha256)}`;
    const response = await this.#http.send({ method: 'GET', path, signal: options.signal });
    return new Uint8Array(await response.arrayBuffer());
  }

  /**
   * Checks the run's trace, or `chunks` of one that was saved, against itself and against the run's digest; with `blobs`
   * also the values that its events keep by reference. Throws BrokenTraceError, which names the first event that is not as
   * it was.
   */
  verify(runId: string, options: VerifyOptions = {}): Promise<VerifiedRun> {
    const { signal, chunks = this.trace(runId, { signal }), blobs, onEvent } = options;
    const read = (at?: number): Promise<Run> => this.getRun(runId, { at, signal });
    const fetchBlob = blobs
      ? (sha256: string): Promise<Uint8Array> => this.blob(runId, sha256, { signal })
      : undefined;
    return verifyAgainstRun({ runId, chunks, read, fetchBlob }, onEvent);
  }

  /** One page of the caller's runs, newest first. */
  async listRuns(query: RunQuery = {}, options: CallOptions = {}): Promise<RunPage> {
    return this.#get<RunPage>('runs', runQuery(query), options);
  }

  /** All runs that match, page after page. */
  async *eachRun(query: RunQuery = {}, options: CallOptions = {}): AsyncGenerator<RunSummary, void> {
    for (let cursor = query.cursor; ;) {
      const page = await this.listRuns({ ...query, cursor }, options);
      yield* page.runs;
      if (!page.next_cursor || page.next_cursor === cursor) return;
      cursor = page.next_cursor;
    }
  }

  /** One page of events as objects. For the stored bytes use `eachEvent` or `follow`. */
  async events(
    runId: string,
    page: { after?: number | undefined; limit?: number | undefined } = {},
    options: CallOptions = {},
  ): Promise<EventPage> {
    return this.#get<EventPage>(`${runPath(runId)}/events`, eventQuery(page.after, page.limit), options);
  }

  /** Every event that the run has now, with its stored line, in order and without a hole. */
  async *eachEvent(
    runId: string,
    range: { after?: number | undefined; pageSize?: number | undefined } = {},
    options: CallOptions = {},
  ): AsyncGenerator<StoredEvent, void> {
    const cursor = new RunCursor(runId, range.after ?? 0);
    const limit = range.pageSize ?? 1000;
    const path = `${runPath(runId)}/events`;
    for (;;) {
      const query = eventQuery(cursor.seq, limit);
      const headers = { accept: STORED_LINES };
      const response = await this.#http.send({ method: 'GET', path, query, headers, signal: options.signal });
      const lines = await readStoredLines(response);
      if (lines === null)
        throw new UnexpectedAnswerError(this.#http.urlOf({ path }), 'the events are no NDJSON');
      for (const line of lines) {
        const received = cursor.receive(line);
        if (received.is === 'wrong')
          throw new UnexpectedAnswerError(this.#http.urlOf({ path }), received.reason);
        if (received.is === 'next') yield received.event;
      }
      if (lines.length < limit) return;
    }
  }

  /** Asks the run to stop; the answer comes before it has stopped. */
  async stop(
    runId: string,
    request: { mode?: 'cooperative' | 'kill' | undefined; reason?: string | undefined } = {},
    options: CallOptions = {},
  ): Promise<StopAnswer> {
    return this.#post<StopAnswer>(`${runPath(runId)}/stop`, request, options);
  }

  /** Says something to a run. A repeat with the same key and message is the same nudge. */
  async nudge(
    runId: string,
    message: string,
    options: CallOptions & { idempotencyKey?: string | undefined } = {},
  ): Promise<SentNudge> {
    const headers = { 'idempotency-key': options.idempotencyKey ?? newIdempotencyKey() };
    return this.#post<SentNudge>(`${runPath(runId)}/nudges`, { message }, options, headers);
  }

  /** Asks a running run to wait at its next boundary. */
  async pause(
    runId: string,
    request: { reason?: string | undefined } = {},
    options: CallOptions = {},
  ): Promise<ControlAnswer> {
    return this.#post<ControlAnswer>(`${runPath(runId)}/pause`, request, options);
  }

  async resume(runId: string, options: CallOptions = {}): Promise<ControlAnswer> {
    return this.#post<ControlAnswer>(`${runPath(runId)}/resume`, {}, options);
  }

  /** Raises limits; lowering one is refused with `limit_not_raised`. */
  async raiseLimits(runId: string, limits: RaisedLimits, options: CallOptions = {}): Promise<ControlAnswer> {
    return this.#post<ControlAnswer>(`${runPath(runId)}/limits`, limits, options);
  }

  /** Says what became of a tool call whose outcome is not known. */
  async resolveOutcome(
    runId: string,
    callId: string,
    choice: OutcomeChoice,
    options: CallOptions = {},
  ): Promise<ControlAnswer> {
    return this.#post<ControlAnswer>(`${runPath(runId)}/outcomes/${segment(callId)}`, choice, options);
  }

  /** All that the caller's runs ask for and nobody has decided, newest runs first. */
  async *eachApproval(options: CallOptions = {}): AsyncGenerator<OpenApproval, void> {
    for (let cursor: string | null = null; ;) {
      const query = cursor === null ? undefined : new URLSearchParams({ cursor });
      const page: ApprovalPage = await this.#get<ApprovalPage>('approvals', query, options);
      yield* page.approvals;
      if (page.next_cursor === null || page.next_cursor === cursor) return;
      cursor = page.next_cursor;
    }
  }

  /** The first answer counts; a later one is refused with `approval_already_decided`. */
  async decideApproval(
    runId: string,
    approvalId: string,
    decision: ApprovalDecision,
    options: CallOptions = {},
  ): Promise<ControlAnswer> {
    return this.#post<ControlAnswer>(`${runPath(runId)}/approvals/${segment(approvalId)}`, decision, options);
  }

  /** The run and those below it. */
  async tree(runId: string, options: CallOptions = {}): Promise<RunTree> {
    return this.#get<RunTree>(`${runPath(runId)}/tree`, undefined, options);
  }

  async agents(options: CallOptions = {}): Promise<Agent[]> {
    return (await this.#get<{ agents: Agent[] }>('agents', undefined, options)).agents;
  }

  async me(options: CallOptions = {}): Promise<Principal> {
    return this.#get<Principal>('me', undefined, options);
  }

  /** Whether the gateway is alive. One attempt; throws UnreachableError only. */
  async health(options: CallOptions = {}): Promise<Health> {
    return this.#probe('healthz', options);
  }

  /** Whether everything the gateway needs is there. A 503 is an answer, not an error. */
  async ready(options: CallOptions = {}): Promise<Health> {
    return this.#probe('readyz', options);
  }

  /**
   * The run's events with their stored lines, from `after` on and live, until its last one; see `followRun`. With `verify`
   * they are checked against the run's digest while they come, see `verified`.
   */
  follow(runId: string, options: FollowOptions & { verify: true }): AsyncGenerator<VerifiedEvent, void>;
  follow(
    runId: string,
    options?: FollowOptions & { verify?: false | undefined },
  ): AsyncGenerator<StoredEvent, void>;
  follow(
    runId: string,
    options: FollowOptions & { verify?: boolean | undefined } = {},
  ): AsyncGenerator<StoredEvent, void> {
    // An unusable id is refused here, before anything waits for it.
    runPath(runId);
    const events = followRun(this.#http, runId, options);
    if (!options.verify) return events;
    const { after = 0, signal } = options;
    const before = this.#until(runId, after, signal);
    return verified({ before, events, read: (at) => this.getRun(runId, { at, signal }) });
  }

  async *#until(
    runId: string,
    last: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StoredEvent, void> {
    if (last === 0) return;
    for await (const event of this.eachEvent(runId, {}, { signal })) {
      if (event.seq > last) return;
      yield event;
    }
  }

  async #get<T>(path: string, query: URLSearchParams | undefined, options: CallOptions): Promise<T> {
    return (await this.#http.json<T>({ method: 'GET', path, query, signal: options.signal })).value;
  }

  async #post<T>(
    path: string,
    body: unknown,
    options: CallOptions,
    headers?: Record<string, string>,
  ): Promise<T> {
    const call = { method: 'POST', path, body, headers, signal: options.signal } as const;
    return (await this.#http.json<T>(call)).value;
  }

  async #probe(path: string, options: CallOptions): Promise<Health> {
    const started = performance.now();
    const response = await this.#http.open({ method: 'GET', path, signal: options.signal });
    const text = await response.text();
    const date = Date.parse(response.headers.get('date') ?? '');
    return {
      ok: response.ok,
      status: response.status,
      body: parsed(text),
      latency_ms: Math.round(performance.now() - started),
      server_time: Number.isNaN(date) ? null : new Date(date),
    };
  }
}

const runPath = (runId: string): string => `runs/${segment(runId)}`;

/** An id as one part of a path. */
function segment(id: string): string {
  // `.` and `..` would be resolved away from the path.
  if (!/[^.]/.test(id)) throw new TypeError(`not an id: ${JSON.stringify(id)}`);
  return encodeURIComponent(id);
}

function runQuery(query: RunQuery): URLSearchParams {
  const { status, label, ...plain } = query;
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(plain)) if (value !== undefined) search.set(name, String(value));
  if (status && status.length > 0) search.set('status', status.join(','));
  if (label) search.set('label', `${label.key}:${label.value}`);
  return search;
}

function eventQuery(after: number | undefined, limit: number | undefined): URLSearchParams {
  const search = new URLSearchParams();
  if (after !== undefined) search.set('after', String(after));
  if (limit !== undefined) search.set('limit', String(limit));
  return search;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
