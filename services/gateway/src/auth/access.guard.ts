import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Inject,
  Injectable,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { OPERATION, type OperationOptions } from '../openapi/operation.ts';
import { Problem } from '../problem/problem.ts';
import { Authenticator } from './authenticator.ts';
import { allows, type Principal } from './principal.ts';

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
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const operation = this.reflector.get<OperationOptions | undefined>(OPERATION, context.getHandler());
    if (!operation) throw new Problem('forbidden', 'This route states no access.');
    if (operation.access === 'public') return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const principal = await this.authenticator.authenticate(request.headers);
    const scopes = operation.access;
    if (scopes.length > 0 && !scopes.some((scope) => allows(principal, scope)))
      throw new Problem('forbidden', `The credential lacks the scope ${scopes.join(' or ')}.`);
    request.principal = principal;
    return true;
  }
}

/** The principal of a route that is not public. */
export const Caller = createParamDecorator((_data: unknown, context: ExecutionContext): Principal => {
  const { principal } = context.switchToHttp().getRequest<FastifyRequest>();
  if (!principal) throw new Problem('unauthenticated', 'This route needs a credential.');
  return principal;
});
