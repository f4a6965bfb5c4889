import { Controller, Get, Inject, Query } from '@nestjs/common';
import { z } from 'zod';
import { Caller } from '../auth/access.guard.ts';
import type { Principal } from '../auth/principal.ts';
import { Operation } from '../openapi/operation.ts';
import { Problem } from '../problem/problem.ts';
import { Whole } from '../runs/run-path.ts';
import { SchemaPipe } from '../validation/schema.pipe.ts';
import { AuditEvent } from './audit-event.ts';
import { AuditTrail } from './audit-trail.ts';

const DEFAULT_PAGE = 100;
const AuditQuery = z.strictObject({
  after: Whole(0, Number.MAX_SAFE_INTEGER).optional(),
  limit: Whole(1, 1_000).optional(),
  user_id: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must match [A-Za-z0-9_-]{1,64}')
    .optional(),
});
type AuditQuery = z.infer<typeof AuditQuery>;
const AuditPage = z.object({
  events: z.array(AuditEvent),
  next_after: z.int().meta({ description: 'To be given as `after` for what comes next, also later' }),
  has_more: z.boolean(),
});
type AuditPage = z.infer<typeof AuditPage>;

@Controller('audit')
export class AuditController {
  constructor(@Inject(AuditTrail) private readonly trail: AuditTrail) {}

  @Get()
  @Operation({
    id: 'listAudit',
    summary: 'What happened to your keys, oldest first; with `admin`, to those of the tenant',
    description: 'Made, rotated, revoked, and how often a use was refused and why. Kept for 400 days.',
    tag: 'credentials',
    access: ['keys:write'],
    query: AuditQuery,
    answers: { 200: { description: 'A page of events', schema: AuditPage } },
    problems: ['log_unavailable'],
  })
  async list(
    @Caller() caller: Principal,
    @Query(new SchemaPipe(AuditQuery, 'query')) query: AuditQuery,
  ): Promise<AuditPage> {
    const { after = 0, limit = DEFAULT_PAGE } = query;
    const found = await this.trail.page(
      { tenant_id: caller.tenant_id, user_id: usersOf(caller, query.user_id) },
      after,
      limit + 1,
    );
    const page = found.slice(0, limit);
    const events = page.map(({ event }) => event);
    return {
      // A per-agent key knows of no other agent.
      events: events.filter((event) => caller.agent_id === undefined || event.agent_id === caller.agent_id),
      next_after: page.at(-1)?.seq ?? after,
      has_more: found.length > limit,
    };
  }
}

function usersOf(caller: Principal, userId: string | undefined): string | undefined {
  if (caller.scopes.has('admin')) return userId;
  if (userId === undefined || userId === caller.user_id) return caller.user_id;
  throw new Problem('forbidden', 'The trail of another user needs the scope admin.', {
    errors: [{ in: 'query', pointer: '/user_id', detail: 'not yourself' }],
  });
}
