import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Inject,
  Injectable,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RefusedUses, type RefusalReason } from '../audit/refused-uses.ts';
import { RequestRate } from '../limits/request-rate.ts';
import { OPERATION, type OperationOptions } from '../openapi/operation.ts';
import { Problem } from '../problem/problem.ts';
import { forgeryIn } from '../sessions/csrf.ts';
import { sessionTokenIn, setCookie } from '../sessions/session-cookie.ts';
import { Sessions } from '../sessions/sessions.ts';
import { Authenticator } from './authenticator.ts';
import { allows, type Principal, type Scope } from './principal.ts';

declare module 'fastify' {
  interface FastifyRequest {
    principal?: Principal;
  }
}

/** Nobody reaches a handler without the access that its operation states. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(Authenticator) private readonly authenticator: Authenticator,
    @Inject(Sessions) private readonly sessions: Sessions,
    @Inject(RequestRate) private readonly rate: RequestRate,
    @Inject(RefusedUses) private readonly refused: RefusedUses,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const operation = this.reflector.get<OperationOptions | undefined>(OPERATION, context.getHandler());
    if (!operation) throw new Problem('forbidden', 'This route states no access.');
    if (operation.access === 'public') return true;
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const principal = await this.authenticator.authenticate(request.headers);
    this.#refuseForgery(principal, request);
    this.#refuseTooMany(principal);
    this.#refuseWithoutScope(principal, operation.access);
    request.principal = principal;
    await this.#renew(principal, request, http.getResponse<FastifyReply>());
    return true;
  }

  #refuseForgery(principal: Principal, request: FastifyRequest): void {
    const { credential } = principal;
    const forgery = credential.kind === 'session' ? forgeryIn(request, credential.csrf_token) : undefined;
    if (forgery !== undefined) throw this.#noted('csrf', principal, new Problem('csrf_refused', forgery));
  }

  #refuseTooMany(principal: Principal): void {
    const { key_id, requests_per_min } = principal;
    const retryAfterS = requests_per_min === null ? undefined : this.rate.take(key_id, requests_per_min);
    if (retryAfterS === undefined) return;
    const detail = `This credential may make ${requests_per_min} requests a minute here.`;
    throw this.#noted('rate', principal, new Problem('rate_limited', detail, { retryAfterS }));
  }

  #refuseWithoutScope(principal: Principal, scopes: readonly Scope[]): void {
    if (scopes.length === 0 || scopes.some((scope) => allows(principal, scope))) return;
    const detail = `The credential lacks the scope ${scopes.join(' or ')}.`;
    throw this.#noted('scope', principal, new Problem('forbidden', detail));
  }

  #noted(reason: RefusalReason, principal: Principal, problem: Problem): Problem {
    this.refused.note(reason, { ...principal, name: '' });
    return problem;
  }

  /** The cookie lasts as long as the session, which begins anew with its use. */
  async #renew({ credential }: Principal, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (credential.kind !== 'session') return;
    const expires_at = await this.sessions.renew(credential);
    const token = sessionTokenIn(request.headers.cookie, request.headers.host);
    if (expires_at === undefined || token === undefined) return;
    request.principal = { ...(request.principal as Principal), credential: { ...credential, expires_at } };
    void reply.header('set-cookie', setCookie(request.headers.host, token));
  }
}

/** The principal of a route that is not public. */
export const Caller = createParamDecorator((_data: unknown, context: ExecutionContext): Principal => {
  const { principal } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!principal) throw new Problem('unauthenticated', 'This route needs a credential.');
  return principal;
});
