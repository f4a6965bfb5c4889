import { PROBLEMS, type ProblemCode } from './codes.ts';

const GONE = 410;

/** One fault of a request: where (a JSON pointer within `in`) and what. */
export interface FieldFault {
  in: 'body' | 'query' | 'path' | 'header';
  pointer: string;
  detail: string;
}

/** RFC 9457 with our members. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  code: ProblemCode;
  request_id: string;
  /** With 410: the oldest event that is left. A run goes as a whole, so that is none. */
  oldest_seq?: null;
  errors: FieldFault[];
}

/** An answer that is a problem. Thrown by handlers, written by the problem filter. */
export class Problem extends Error {
  readonly retryAfterS: number | undefined;
  readonly errors: readonly FieldFault[];

  constructor(
    readonly code: ProblemCode,
    detail: string,
    options: { errors?: readonly FieldFault[]; retryAfterS?: number; cause?: unknown } = {},
  ) {
    super(detail, { cause: options.cause });
    this.name = 'Problem';
    this.errors = options.errors ?? [];
    this.retryAfterS = options.retryAfterS ?? (PROBLEMS[code].status === 503 ? 2 : undefined);
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }

  document(request: { instance: string; request_id: string }): ProblemDocument {
    const { title, status } = PROBLEMS[this.code];
    return {
      type: `/docs#problem-${this.code}`,
      title,
      status,
      detail: this.message,
      instance: request.instance,
      code: this.code,
      request_id: request.request_id,
      ...(status === GONE ? { oldest_seq: null } : {}),
      errors: [...this.errors],
    };
  }
}

/** A 400 that names the faulty fields. */
export function invalid(errors: readonly FieldFault[]): Problem {
  const first = errors[0];
  const detail = first ? `${first.in} ${first.pointer}: ${first.detail}` : 'The request is not valid.';
  return new Problem('invalid_request', detail, { errors });
}
