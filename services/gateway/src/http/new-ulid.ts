import { randomFillSync } from 'node:crypto';
import { ulid } from 'ulid';

const pool = new Uint8Array(4_096);
let used = pool.length;

/** At least 0, less than 1. The system is asked for many bytes at once: one by one they cost more than all else of an id. */
function random(): number {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return (pool[used++] as number) / 256;
}

/** A new ULID, which nobody can guess. */
export const newUlid = (): string => ulid(undefined, random);
