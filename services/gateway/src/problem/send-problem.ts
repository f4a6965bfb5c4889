import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Problem } from './problem.ts';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

export function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): void {
  const document = problem.document({ instance: instanceOf(request.raw.url), request_id: request.id });
  if (problem.retryAfterS !== undefined) void reply.header('retry-after', String(problem.retryAfterS));
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer realm="runledger"');
  void reply
    .code(problem.status)
    .header('x-request-id', request.id)
    .header('cache-control', 'no-store')
    .header('content-type', PROBLEM_TYPE)
    .send(JSON.stringify(document));
}

/** The path as asked, without its query and what else may hold secrets, at most 300 characters. */
export const instanceOf = (url: string | undefined): string =>
  (url ?? '/').split('?')[0]?.replace(OUR_SECRETS, '[redacted]').slice(0, 300) ?? '/';

/** Keys and the texts of session cookies, should someone have put one into a path. */
const OUR_SECRETS = /r[ls]_\w{20,}/g;
