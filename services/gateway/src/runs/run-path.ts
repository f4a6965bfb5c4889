import { isId } from '@runledger/wire';
import { z } from 'zod';

/** An id of a run, or of what has ids of the same form. */
export const ulidOf = (what: string) =>
  z
    .string()
    .refine((value) => isId('run_id', value), `must be ${what} id (a ULID in upper case)`)
    .meta({ pattern: '^[0-7][0-9A-HJKMNP-TV-Z]{25}$' });

export const RunId = ulidOf('a run');

export const RunPath = z.strictObject({ run_id: RunId });
export type RunPath = z.infer<typeof RunPath>;

/** An id in a path that the run itself knows, of a call or an approval. */
export const PathToken = z.string().min(1).max(100);

/** A whole number in a query, as text. */
export const Whole = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(least).max(most));
