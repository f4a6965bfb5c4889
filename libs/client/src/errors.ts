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
  constructor(
    readonly seq: number,
    readonly expected: string,
    readonly actual: string,
  ) {
    super(`the received lines have digest ${actual} at event ${seq}; the run has ${expected}`);
    this.name = 'DigestMismatchError';
  }
}

/** The words of the innermost cause: fetch itself only says "fetch failed". */
export function reasonOf(error: unknown): string {
  let reason = String(error);
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const code = 'code' in at && typeof at.code === 'string' ? at.code : '';
    reason = at.message || code || at.name;
  }
  return reason;
}
