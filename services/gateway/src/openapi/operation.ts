import { applyDecorators, HttpCode, SetMetadata } from '@nestjs/common';
import type { z } from 'zod';
import type { Scope } from '../auth/principal.ts';
import type { ProblemCode } from '../problem/codes.ts';

export const OPERATION = Symbol('OPERATION');

export interface OperationAnswer {
  description: string;
  /** Absent: no body. */
  schema?: z.ZodType;
  /** Default application/json. */
  contentType?: string;
  headers?: Record<string, string>;
}

/** What a route is for, who may use it and what it answers: read by the access guard and by the OpenAPI document. */
export interface OperationOptions {
  id: string;
  summary: string;
  description?: string;
  tag: string;
  /** `public` needs no credential; a list: any one of these scopes (`admin` always does). An empty list: any credential. */
  access: 'public' | readonly Scope[];
  body?: z.ZodType;
  path?: z.ZodObject;
  query?: z.ZodObject;
  headers?: Record<string, string>;
  answers: Record<number, OperationAnswer>;
  problems?: readonly ProblemCode[];
}

/** Every route carries exactly one of these: a route without it answers nobody. */
export function Operation(options: OperationOptions): MethodDecorator {
  const first = Object.keys(options.answers)[0];
  return applyDecorators(SetMetadata(OPERATION, options), HttpCode(Number(first ?? 200)));
}
