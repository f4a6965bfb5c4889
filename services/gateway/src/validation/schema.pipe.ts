import { Injectable, type PipeTransform } from '@nestjs/common';
import type { z } from 'zod';
import { type FieldFault, invalid } from '../problem/problem.ts';

export const MAX_DEPTH = 64;

/** Checks one part of a request against its strict schema; a 400 names every faulty field. */
@Injectable()
export class SchemaPipe<T extends z.ZodType> implements PipeTransform<unknown, z.infer<T>> {
  constructor(
    private readonly schema: T,
    private readonly part: FieldFault['in'],
  ) {}

  transform(value: unknown): z.infer<T> {
    if (isDeeperThan(value, MAX_DEPTH))
      throw invalid([{ in: this.part, pointer: '', detail: `nested deeper than ${MAX_DEPTH} levels` }]);
    const parsed = this.schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw invalid(parsed.error.issues.slice(0, 50).flatMap((issue) => faultsOf(issue, this.part)));
  }
}

/** Without recursion: what it guards against is a value that exhausts the stack. */
export function isDeeperThan(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > limit) return true;
    const next: unknown[] = [];
    for (const item of level)
      if (typeof item === 'object' && item !== null)
        for (const child of Object.values(item))
          if (typeof child === 'object' && child !== null) next.push(child);
    level = next;
  }
  return false;
}

/** Zod's issues as faults; one per unknown field. */
export function faultsOf(issue: z.core.$ZodIssue, part: FieldFault['in']): FieldFault[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys
      .slice(0, 20)
      .map((key) => ({ in: part, pointer: pointerOf([...issue.path, key]), detail: 'unknown field' }));
  return [{ in: part, pointer: pointerOf(issue.path), detail: issue.message.slice(0, 300) }];
}

export const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((token) => `/${String(token).slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
