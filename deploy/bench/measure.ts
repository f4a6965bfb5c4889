import type { Figure } from './figure.ts';
import type { RawSide } from './raw/raw-side.ts';
import type { RunTemplate } from './raw/run-template.ts';
import type { RunEnds } from './run-ends.ts';
import type { System } from './system/system.ts';

/** What a measure works with: the product and its raw side, both idle. */
export interface Bench {
  system: System;
  raw: RawSide;
  ends: RunEnds;
  /** Messages of one run of W10. */
  template: RunTemplate;
  /** Of one round of a load. */
  seconds: number;
  rounds: number;
}

export interface Measure {
  name: string;
  method: string;
  run(bench: Bench): Promise<{ figures: Figure[]; notes?: string[] }>;
}

/** The workload of every comparison: ten events of about 300 bytes without a pause, and a result. */
export const W10 = { agent: 'burst', input: { count: 10, bytes: 300 } };

/** Product and raw in turn, as often as there are rounds, so that a busy moment of the machine meets both. */
export async function inTurn<P, R>(
  rounds: number,
  product: () => Promise<P>,
  raw: () => Promise<R>,
): Promise<{ product: P[]; raw: R[] }> {
  const results = { product: [] as P[], raw: [] as R[] };
  for (let round = 0; round < rounds; round += 1) {
    results.product.push(await product());
    results.raw.push(await raw());
  }
  return results;
}
