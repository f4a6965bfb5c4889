import { Controller, Delete, Get, Header, Inject, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { actorOf, AuditTrail } from '../audit/audit-trail.ts';
import { Caller } from '../auth/access.guard.ts';
import type { Principal } from '../auth/principal.ts';
import { Operation } from '../openapi/operation.ts';
import { Problem } from '../problem/problem.ts';
import { SchemaPipe } from '../validation/schema.pipe.ts';
import { setCookie } from './session-cookie.ts';
import { Sessions } from './sessions.ts';

const SessionAnswer = z.object({
  tenant_id: z.string(),
  user_id: z.string(),
  key_id: z.string(),
  expires_at: z.string().meta({ description: 'Later with every use' }),
  csrf_token: z.string().meta({ description: 'To be sent as X-CSRF-Token with everything that is no GET' }),
});
type SessionAnswer = z.infer<typeof SessionAnswer>;
const NoBody = z.strictObject({}).nullish();

@Controller('session')
export class SessionController {
  constructor(
    @Inject(Sessions) private readonly sessions: Sessions,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  @Post()
  @Header('cache-control', 'no-store')
  @Operation({
    id: 'openSession',
    summary: 'Trade an API key or a token for a session cookie',
    description:
      'For browsers. The cookie lasts 12 hours from its last use, and no longer than the key or token.',
    tag: 'credentials',
    access: [],
    answers: {
      201: {
        description: 'The session',
        schema: SessionAnswer,
        headers: { 'Set-Cookie': 'HttpOnly, SameSite=Strict, and Secure unless the host is this machine' },
      },
    },
    problems: ['log_unavailable', 'log_full'],
  })
  async open(
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SessionAnswer> {
    new SchemaPipe(NoBody, 'body').transform(request.body);
    const { record, token, csrf_token } = await this.sessions.open(caller);
    await this.audit.append({
      key: { ...caller, name: '' },
      type: 'session.opened',
      by: actorOf(caller),
      data: { session_id: record.session_id },
    });
    void reply.header('set-cookie', setCookie(request.headers.host, token));
    return answerOf(caller, record.expires_at, csrf_token);
  }

  @Get()
  @Header('cache-control', 'no-store')
  @Operation({
    id: 'getSession',
    summary: 'The session of this cookie',
    tag: 'credentials',
    access: [],
    answers: { 200: { description: 'The session', schema: SessionAnswer } },
    problems: ['session_not_found', 'log_unavailable'],
  })
  get(@Caller() caller: Principal): SessionAnswer {
    const { csrf_token, expires_at } = sessionOf(caller);
    return answerOf(caller, expires_at, csrf_token);
  }

  @Delete()
  @Operation({
    id: 'closeSession',
    summary: 'End the session of this cookie, and its open streams',
    tag: 'credentials',
    access: [],
    headers: { 'X-CSRF-Token': 'As everything that changes something with a cookie' },
    answers: { 204: { description: 'It is over' } },
    problems: ['csrf_refused', 'session_not_found', 'log_unavailable'],
  })
  async close(
    @Caller() caller: Principal,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const { session_id } = sessionOf(caller);
    await this.sessions.close(session_id);
    void reply.header('set-cookie', setCookie(request.headers.host, undefined));
    await this.audit.append({
      key: { ...caller, name: '' },
      type: 'session.closed',
      by: actorOf(caller),
      data: { session_id },
    });
  }
}

function sessionOf(caller: Principal): Extract<Principal['credential'], { kind: 'session' }> {
  if (caller.credential.kind !== 'session')
    throw new Problem('session_not_found', 'The request came without the cookie of a session.');
  return caller.credential;
}

const answerOf = (caller: Principal, expires_at: string, csrf_token: string): SessionAnswer => ({
  tenant_id: caller.tenant_id,
  user_id: caller.user_id,
  key_id: caller.key_id,
  expires_at,
  csrf_token,
});
