import { HttpException } from '@nestjs/common';
import { LogUnavailable, RunErased } from '@runledger/run-log';
import { InvalidCursor, ViewsUnavailable } from '@runledger/view-store';
import { Poison } from '@runledger/wire';
import { isBrokerFault } from '../broker/broker-fault.ts';
import type { ProblemCode } from './codes.ts';
import { Problem } from './problem.ts';

/** The one place where anything that was thrown becomes a problem. What is not known is a 500 without its text. */
export function problemFromError(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof LogUnavailable)
    return new Problem(error.code, LOG_DETAIL[error.code], { cause: error });
  if (error instanceof RunErased) return new Problem('run_erased', `Run ${error.run_id} was erased.`);
  if (error instanceof ViewsUnavailable)
    return new Problem('views_unavailable', 'The views cannot be read now; single runs still can.', {
      cause: error,
    });
  if (error instanceof InvalidCursor)
    return new Problem('invalid_cursor', 'The cursor was not made by this list.', {
      errors: [{ in: 'query', pointer: '/cursor', detail: 'not a cursor of this list' }],
    });
  if (isBrokerFault(error))
    return new Problem('log_unavailable', LOG_DETAIL.log_unavailable, { cause: error });
  if (error instanceof Poison && error.code === 'invalid_id')
    return new Problem('invalid_request', error.message);
  const status = statusOf(error);
  const code = status === undefined ? 'internal' : (CODE_OF_STATUS[status] ?? 'internal');
  return new Problem(code, DETAIL_OF_CODE[code] ?? 'The server could not handle the request.', {
    cause: error,
  });
}

const LOG_DETAIL: Record<LogUnavailable['code'], string> = {
  log_unavailable: 'The log cannot be reached now; nothing was changed.',
  log_full: 'The log takes no more events now; nothing was changed.',
  outcome_unknown:
    'The log did not confirm the change. Repeat the request: with its idempotency key it cannot happen twice.',
  too_much_contention: 'The run is changing too fast; nothing was changed.',
};

function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}

const CODE_OF_STATUS: Record<number, ProblemCode | undefined> = {
  400: 'invalid_json',
  404: 'not_found',
  408: 'request_timeout',
  413: 'body_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  431: 'headers_too_large',
  503: 'overloaded',
};

const DETAIL_OF_CODE: Partial<Record<ProblemCode, string>> = {
  invalid_json: 'The body is not JSON that can be accepted (syntax, or a key like __proto__).',
  not_found: 'No route has this method and path.',
  body_too_large: 'A body has at most 1,048,576 bytes.',
  unsupported_media_type: 'Send the body as application/json.',
  uri_too_long: 'A part of the path is longer than an id can be.',
  overloaded: 'The server is too busy to answer in time.',
  request_timeout: 'The request took too long.',
};
