/**
 * The closed list of problem codes: status and title of each. `type` of a problem is `/docs#problem-<code>`.
 * A code is never renamed; docs/reference/errors.md says what a caller can do about each.
 */
export const PROBLEMS = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  invalid_json: { status: 400, title: 'The body is not valid JSON' },
  invalid_cursor: { status: 400, title: 'The cursor is not one of this run or list' },
  unauthenticated: { status: 401, title: 'A valid credential is needed' },
  csrf_refused: { status: 403, title: 'The request does not come from our own page' },
  forbidden: { status: 403, title: 'The credential does not allow this' },
  not_found: { status: 404, title: 'There is nothing here' },
  run_not_found: { status: 404, title: 'There is no such run' },
  agent_not_found: { status: 404, title: 'There is no such agent' },
  key_not_found: { status: 404, title: 'There is no such key' },
  session_not_found: { status: 404, title: 'There is no session' },
  blob_not_found: { status: 404, title: 'The run has no such value' },
  run_already_ended: { status: 409, title: 'The run has already ended' },
  run_not_ended: { status: 409, title: 'The run has not ended yet' },
  refused: { status: 409, title: 'The run does not allow this now' },
  key_ended: { status: 409, title: 'The key is revoked or has expired' },
  key_rotating: { status: 409, title: 'The key has two secrets already' },
  too_many_keys: { status: 409, title: 'The user has too many keys' },
  run_erased: { status: 410, title: 'The run was erased' },
  body_too_large: { status: 413, title: 'The body is larger than 1 MiB' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json' },
  idempotency_key_reused: { status: 422, title: 'The idempotency key was used with another body' },
  rate_limited: { status: 429, title: 'Too many requests with this credential' },
  too_many_streams: { status: 429, title: 'Too many open streams with this credential' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  uri_too_long: { status: 414, title: 'The address is too long' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  internal: { status: 500, title: 'Something went wrong here' },
  log_unavailable: { status: 503, title: 'The log cannot be reached now' },
  log_full: { status: 503, title: 'The log is full' },
  outcome_unknown: { status: 503, title: 'It is not known whether this happened' },
  too_much_contention: { status: 503, title: 'The run is being written to by many at once' },
  issuer_unavailable: { status: 503, title: 'The issuer of the token cannot be reached now' },
  views_unavailable: { status: 503, title: 'Lists of runs cannot be read now' },
  overloaded: { status: 503, title: 'The server is overloaded' },
  stopping: { status: 503, title: 'The server is stopping' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;
