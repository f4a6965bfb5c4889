export type SetUp = 'one process' | 'processes';

/** One number of the product beside the limit that was measured in the same run. */
export interface Figure {
  label: string;
  unit: string;
  better: 'lower' | 'higher';
  product: number;
  /** The raw limit of the same rounds, in the same unit; absent: there is none. */
  raw?: number | undefined;
  /** What is to be reached: `ratio` of product to raw, `value` in the unit. At most for `lower`, at least for `higher`. */
  target?: { ratio?: number; value?: number };
}

/** What one measure gave in one set-up. */
export interface Measured {
  name: string;
  setup: SetUp;
  /** One line: what was done, and what the raw limit is. */
  method: string;
  figures: Figure[];
  notes: string[];
  /** Load average of the machine over one minute, before and after. */
  load: [number, number];
}

/** Everything of one run of the benches. */
export interface Results {
  at: string;
  machine: { cpus: number; model: string; memory_mib: number; node: string; broker: string };
  revision: string;
  seconds: number;
  measured: Measured[];
}

/** Product over raw. Undefined without a raw limit. */
export const ratioOf = (figure: Figure): number | undefined =>
  figure.raw === undefined || figure.raw === 0 ? undefined : figure.product / figure.raw;

/** Undefined when the figure has no target. */
export function isMet(figure: Figure): boolean | undefined {
  const { target, better, product } = figure;
  if (target === undefined) return undefined;
  const reached = (is: number | undefined, wanted: number | undefined): boolean =>
    wanted === undefined || (is !== undefined && (better === 'lower' ? is <= wanted : is >= wanted));
  return reached(ratioOf(figure), target.ratio) && reached(product, target.value);
}
