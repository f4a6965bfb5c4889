import helmet from '@fastify/helmet';
import underPressure from '@fastify/under-pressure';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { ServiceContext } from '@runledger/service-host';
import { Problem } from '../problem/problem.ts';
import { checkRequests } from './request-checks.ts';
import { countRequests } from './request-metrics.ts';

const MAX_EVENT_LOOP_DELAY_MS = 2_000;
const MAX_HEAP_BYTES = 1_500 * 1024 * 1024;
const ALWAYS_ANSWERED = new Set(['/healthz', '/readyz', '/metrics']);

/** Everything around the routes. Called before the application is initialised, so that it holds for every route. */
export async function hardenHttp(app: NestFastifyApplication, context: ServiceContext): Promise<void> {
  const fastify = app.getHttpAdapter().getInstance();
  countRequests(fastify, context.metrics);
  checkRequests(fastify);
  await app.register(helmet, {
    contentSecurityPolicy: {
      directives: {
        defaultSrc: ["'none'"],
        styleSrc: ["'unsafe-inline'"],
        scriptSrc: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    // The gateway speaks plain HTTP behind whatever ends TLS, which is the one to send it.
    strictTransportSecurity: false,
  });
  await app.register(underPressure, {
    maxEventLoopDelay: MAX_EVENT_LOOP_DELAY_MS,
    maxHeapUsedBytes: MAX_HEAP_BYTES,
    pressureHandler: (request) => {
      if (!ALWAYS_ANSWERED.has(request.url))
        throw new Problem('overloaded', 'The server is too busy now.', { retryAfterS: 5 });
    },
  });
}
