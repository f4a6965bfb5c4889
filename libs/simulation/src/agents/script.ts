import type { Random } from '../random.ts';

/** What a simulated agent does, in order. It is the input of its run, so that a child carries its own. */
export type Op =
  | { op: 'model' }
  | { op: 'tool'; name: string; idempotent: boolean }
  | { op: 'step' }
  | { op: 'milestone'; name: string }
  | { op: 'approval' }
  /** Fails the attempt, with an error that may be retried, until the run has so many failed attempts. */
  | { op: 'fail'; times: number }
  | { op: 'child'; script: Script }
  /** Calls that are made at once. */
  | { op: 'parallel'; ops: Op[] };

export type Script = Op[];

const DEEPEST = 2;

export function randomScript(random: Random, depth = 0): Script {
  const length = random.between(1, depth === 0 ? 5 : 3);
  return Array.from({ length }, () => randomOp(random, depth));
}

function randomOp(random: Random, depth: number): Op {
  const drawn = random.next();
  if (drawn < 0.12 && depth < DEEPEST) return { op: 'child', script: randomScript(random, depth + 1) };
  if (drawn < 0.24) {
    const ops = Array.from({ length: random.between(2, 3) }, () => randomCall(random, depth));
    return { op: 'parallel', ops };
  }
  if (drawn < 0.3) return { op: 'approval' };
  if (drawn < 0.34) return { op: 'fail', times: random.between(1, 2) };
  return randomCall(random, depth);
}

/** What may also stand in a parallel. */
function randomCall(random: Random, depth: number): Op {
  const drawn = random.next();
  if (drawn < 0.3) return { op: 'model' };
  if (drawn < 0.65)
    return { op: 'tool', name: random.pick(['Bash', 'Edit', 'Mail']), idempotent: random.chance(0.4) };
  if (drawn < 0.75) return { op: 'step' };
  if (drawn < 0.85 || depth >= DEEPEST) return { op: 'milestone', name: random.pick(['half', 'nearly']) };
  return { op: 'child', script: randomScript(random, depth + 1) };
}
