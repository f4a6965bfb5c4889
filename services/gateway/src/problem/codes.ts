/**
 * The closed list of problem codes: status and title of each. `type` of a problem is `/docs#problem-<code>`.
 * A code is never renamed; docs/reference/errors.md says what a caller can do about each.
 */
export const PROBLEMS = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  invalid_json: { status: 400, title: 'The body is not valid JSON' },
  invalid_cursor: { status: 400, title: 'The cursor is not one of this run or list' },
  unauthenticated: { status: 401, title: 'A valid credential is needed' },
  forbidden: { status: 403, title: 'The credential does not allow this' },
  not_found: { status: 404, title: 'There is nothing here' },
  run_not_found: { status: 404, title: 'There is no such run' },
  agent_not_found: { status: 404, title: 'There is no such agent' },
  blob_not_found: { status: 404, title: 'The run has no such value' },
  run_already_ended: { status: 409, title: 'The run has already ended' },
  refused: { status: 409, title: 'The run does not allow this now' },
  body_too_large: { status: 413, title: 'The body is larger than 1 MiB' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json' },
  idempotency_key_reused: { status: 422, title: 'The idempotency key was used with another body' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  uri_too_long: { status: 414, title: 'The address is too long' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  internal: { status: 500, title: 'Something went wrong here' },
  log_unavailable: { status: 503, title: 'The log cannot be reached now' },
  log_full: { status: 503, title: 'The log is full' },
  outcome_unknown: { status: 503, title: 'It is not known whether this happened' },
  too_much_contention: { status: 503, title: 'The run is being written to by many at once' },
  views_unavailable: { status: 503, title: 'Lists of runs cannot be read now' },
  overloaded: { status: 503, title: 'The server is overloaded' },
  stopping: { status: 503, title: 'The server is stopping' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;
