/** One field that the server refused: in which part of the request, where in it (a JSON pointer), and why. */
export interface FieldProblem {
  in?: 'body' | 'query' | 'path' | 'header';
  pointer?: string;
  detail?: string;
  [key: string]: unknown;
}

export interface Problem {
  status: number;
  code: string;
  title: string;
  detail: string;
  errors: FieldProblem[];
  request_id: string | null;
  /** The whole problem document, with what this version does not know. */
  body: Record<string, unknown>;
  /** What `Retry-After` asked for, in ms. */
  retry_after_ms: number | null;
}

/** The server answered, and the answer is no: an RFC 9457 problem, or what stood in its place. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly errors: FieldProblem[];
  readonly request_id: string | null;
  readonly body: Record<string, unknown>;
  readonly retry_after_ms: number | null;

  constructor(problem: Problem) {
    super(problem.detail ? `${problem.title}: ${problem.detail}` : problem.title);
    this.name = 'ApiError';
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title;
    this.detail = problem.detail;
    this.errors = problem.errors;
    this.request_id = problem.request_id;
    this.body = problem.body;
    this.retry_after_ms = problem.retry_after_ms;
  }
}

/** No answer came: refused, unresolved, cut, or out of time. */
export class UnreachableError extends Error {
  constructor(
    readonly url: string,
    reason: string,
    options?: ErrorOptions,
  ) {
    super(`cannot reach ${url}: ${reason}`, options);
    this.name = 'UnreachableError';
  }
}

/** Something answered that is not this API: a proxy's page, a cut document. */
export class UnexpectedAnswerError extends Error {
  constructor(
    readonly url: string,
    reason: string,
  ) {
    super(`${url} did not answer like a Runledger gateway: ${reason}`);
    this.name = 'UnexpectedAnswerError';
  }
}

/** The lines that arrived are not the lines that the server's digest stands for. */
export class DigestMismatchError extends Error {
  /** `from` to `seq` are the events of which one is the first that is not as the server has it. */
  constructor(
    readonly seq: number,
    readonly expected: string,
    readonly actual: string,
    readonly from: number = seq,
  ) {
    super(
      `${eventsOf(from, seq)} did not arrive as the run has it: digest ${actual}, where the run has ${expected}`,
    );
    this.name = 'DigestMismatchError';
  }
}

/** What is wrong with a trace, and where it begins. */
export interface TraceFault {
  /**
   * `altered`: other bytes than those that the digests stand for. `out_of_order`: another event stands in its place.
   * `cut`: it ends too early. `header`: the first line is wrong. `other_digest`: all of it fits together, and is not what
   * was expected. `blob`: a value that the event keeps by reference is missing or has other bytes. `other_run`, `no_trace`, `empty`, `too_long` and `unreadable` say it themselves.
   */
  code:
    | 'altered'
    | 'out_of_order'
    | 'cut'
    | 'header'
    | 'other_digest'
    | 'other_run'
    | 'blob'
    | 'no_trace'
    | 'empty'
    | 'too_long'
    | 'unreadable';
  /** The first event that is wrong is one of `from` to `seq`; 0: what is before the first event. */
  from: number;
  seq: number;
  /** Byte, after unpacking, at which the line of `from` begins. */
  offset: number;
  reason: string;
}

/** A trace or a file of stored lines is not as it was written. */
export class BrokenTraceError extends Error {
  readonly fault: TraceFault;

  constructor(fault: TraceFault, options?: ErrorOptions) {
    const where = fault.seq === 0 ? '' : `${eventsOf(fault.from, fault.seq)} at byte ${fault.offset}: `;
    super(`${where}${fault.reason}`, options);
    this.name = 'BrokenTraceError';
    this.fault = fault;
  }
}

const eventsOf = (from: number, to: number): string =>
  from === to ? `event ${to}` : `one of the events ${from} to ${to}`;

/** The words of the innermost cause: fetch itself only says "fetch failed". */
export function reasonOf(error: unknown): string {
  let reason = String(error);
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const code = 'code' in at && typeof at.code === 'string' ? at.code : '';
    reason = at.message || code || at.name;
  }
  return reason;
}
