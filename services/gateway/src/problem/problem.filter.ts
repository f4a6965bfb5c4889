import { type ArgumentsHost, Catch, type ExceptionFilter, Inject } from '@nestjs/common';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { problemFromError } from './from-error.ts';
import { sendProblem } from './send-problem.ts';

/** Every error of every route leaves as application/problem+json. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(@Inject(SERVICE_CONTEXT) private readonly context: ServiceContext) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const problem = problemFromError(error);
    if (problem.status >= 500)
      this.context.logger[problem.status === 500 ? 'error' : 'warn'](
        { err: problem.cause ?? problem, request_id: request.id, code: problem.code },
        'request failed',
      );
    if (reply.raw.headersSent || reply.raw.destroyed) reply.raw.destroy();
    else sendProblem(problem, request, reply);
  }
}
