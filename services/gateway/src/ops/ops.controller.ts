import { Controller, Get, Header, Inject, Res } from '@nestjs/common';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { Operation } from '../openapi/operation.ts';
import { Readiness, type ReadinessReport } from './readiness.ts';

const Report = z.object({ status: z.enum(['ready', 'not_ready']), checks: z.record(z.string(), z.string()) });

@Controller()
export class OpsController {
  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(Readiness) private readonly readiness: Readiness,
  ) {}

  @Get('healthz')
  @Operation({
    id: 'healthz',
    summary: 'Whether the process is alive',
    tag: 'operations',
    access: 'public',
    answers: { 200: { description: 'It is', schema: z.object({ status: z.literal('ok') }) } },
  })
  healthz(): { status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('readyz')
  @Operation({
    id: 'readyz',
    summary: 'Whether the broker and the views answer',
    tag: 'operations',
    access: 'public',
    answers: {
      200: { description: 'All do', schema: Report },
      503: { description: 'Some do not', schema: Report },
    },
  })
  async readyz(@Res({ passthrough: true }) reply: FastifyReply): Promise<ReadinessReport> {
    const report = await this.readiness.report();
    void reply.code(report.status === 'ready' ? 200 : 503);
    return report;
  }

  @Get('metrics')
  @Header('content-type', 'text/plain; version=0.0.4; charset=utf-8')
  @Operation({
    id: 'metrics',
    summary: 'Metrics of this process for Prometheus',
    tag: 'operations',
    access: 'public',
    answers: { 200: { description: 'Metrics', contentType: 'text/plain' } },
  })
  metrics(): Promise<string> {
    return this.context.metrics.metrics();
  }
}
