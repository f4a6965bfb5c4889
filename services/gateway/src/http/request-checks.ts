import type { FastifyInstance, FastifyRequest } from 'fastify';
import { invalid, Problem } from '../problem/problem.ts';

/** Checks of every request before its body is read, and the id that every answer carries. */
export function checkRequests(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', async (request, reply) => {
    void reply.header('x-request-id', request.id);
    refuseBrokerHeaders(request);
    refuseOtherMediaTypes(request);
  });
}

/** Such headers have power over the log. None is ever forwarded; that a client sends one is an error to point out. */
function refuseBrokerHeaders(request: FastifyRequest): void {
  const names = Object.keys(request.headers).filter((name) => name.startsWith('nats-'));
  if (names.length > 0)
    throw invalid(
      names.map((name) => ({
        in: 'header' as const,
        pointer: `/${name}`,
        detail: 'headers beginning Nats- are not accepted',
      })),
    );
}

function refuseOtherMediaTypes(request: FastifyRequest): void {
  const { headers } = request;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (!hasBody) return;
  const mediaType = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (mediaType !== 'application/json')
    throw new Problem('unsupported_media_type', 'Send the body as application/json.');
}
