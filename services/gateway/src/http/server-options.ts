import { type ServerOptions, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyServerOptions } from 'fastify';
import { newUlid } from './new-ulid.ts';
import type { ProblemCode } from '../problem/codes.ts';
import { problemFromError } from '../problem/from-error.ts';
import { invalid, Problem } from '../problem/problem.ts';
import { PROBLEM_TYPE, sendProblem } from '../problem/send-problem.ts';

export const BODY_LIMIT_BYTES = 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;

/** The limits and time-outs that Fastify leaves off, and its own errors as problems. */
export function serverOptions(): FastifyServerOptions & { http: ServerOptions } {
  return {
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // From routing to the answer; a hijacked reply (SSE) is exempt.
    handlerTimeout: REQUEST_TIMEOUT_MS,
    // Of a silent socket; streams send a ping more often.
    connectionTimeout: 120_000,
    keepAliveTimeout: 72_000,
    maxRequestsPerSocket: 0,
    http: { maxHeaderSize: 16 * 1024, headersTimeout: 20_000, connectionsCheckingInterval: 5_000 },
    // A HEAD of a stream would never end.
    exposeHeadRoutes: false,
    genReqId: () => newUlid(),
    requestIdHeader: false,
    trustProxy: false,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 100, ignoreTrailingSlash: false },
    frameworkErrors: (error, request, reply) => sendProblem(routingProblem(error), request, reply),
    clientErrorHandler: (error, socket) => answerBrokenRequest(error.code, socket),
  };
}

function routingProblem(error: { code: string }): Problem {
  if (error.code === 'FST_ERR_BAD_URL')
    return invalid([{ in: 'path', pointer: '', detail: 'holds an escape that cannot be decoded' }]);
  return problemFromError(error);
}

/** What could not even be read as HTTP never becomes a request: the answer is written to the socket. */
function answerBrokenRequest(errorCode: string | undefined, socket: Socket): void {
  if (errorCode === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const code = CODE_OF_ERROR[errorCode ?? ''] ?? 'invalid_request';
  const problem = new Problem(code, 'The request could not be read as HTTP.');
  const requestId = newUlid();
  const body = JSON.stringify(problem.document({ instance: '', request_id: requestId }));
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`,
    `content-type: ${PROBLEM_TYPE}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
  ].join('\r\n');
  socket.end(`${head}\r\n\r\n${body}`);
}

const CODE_OF_ERROR: Record<string, ProblemCode | undefined> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};
