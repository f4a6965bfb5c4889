import type { FastifyInstance } from 'fastify';
import { Counter, Histogram, type Registry } from 'prom-client';

/** `runledger_http_requests_total` and the time to an answer, by route pattern (never by address). */
export function countRequests(fastify: FastifyInstance, registry: Registry): void {
  const requests = new Counter({
    name: 'runledger_http_requests_total',
    help: 'Answered requests by route and status',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: 'runledger_http_request_duration_seconds',
    help: 'Time to the end of the answer, streams excepted',
    labelNames: ['method', 'route'],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  });
  fastify.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    requests.inc({ method: request.method, route, status: String(reply.raw.statusCode) });
    if (!isStream(reply.raw.getHeader('content-type')))
      seconds.observe({ method: request.method, route }, reply.elapsedTime / 1000);
  });
}

const isStream = (contentType: unknown): boolean =>
  typeof contentType === 'string' && contentType.startsWith('text/event-stream');
