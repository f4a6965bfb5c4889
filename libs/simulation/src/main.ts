import { parseArgs } from 'node:util';
import { SABOTAGES, type Sabotage } from './sabotage.ts';
import { simulate, type Outcome } from './simulate.ts';

const USAGE = 'npm run simulate -- [--seeds N] [--from S] [--seed S] [--sabotage RULE]';
const SAY_EVERY_MS = 10_000;

interface Wanted {
  from: number;
  seeds: number;
  sabotage: Sabotage | undefined;
}

function wanted(): Wanted {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '2000' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      sabotage: { type: 'string' },
    },
  });
  const { sabotage } = values;
  const known = SABOTAGES.find((one) => one === sabotage);
  if (sabotage !== undefined && !known)
    throw new RangeError(`--sabotage must be one of ${SABOTAGES.join(', ')}, not "${sabotage}"`);
  if (values.seed !== undefined) return { from: whole('seed', values.seed), seeds: 1, sabotage: known };
  return { from: whole('from', values.from), seeds: whole('seeds', values.seeds), sabotage: known };
}

function whole(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new RangeError(`--${name} must be a whole number, not "${text}"`);
}

function sayFailure({ seed, violations }: Outcome, sabotage: Sabotage | undefined): void {
  console.error(`seed ${seed} breaks ${violations.length} promises:`);
  for (const violation of violations.slice(0, 10)) console.error(`  ${violation}`);
  const rule = sabotage === undefined ? '' : ` --sabotage ${sabotage}`;
  console.error(`  again: npm run simulate -- --seed ${seed}${rule}`);
}

async function main(): Promise<void> {
  const { from, seeds, sabotage } = wanted();
  const started = performance.now();
  const total = { runs: 0, events: 0, kills: 0, pauses: 0, shutdowns: 0, outages: 0, requests: 0 };
  let [failed, virtual, saidAt] = [0, 0, started];
  for (let seed = from; seed < from + seeds; seed += 1) {
    const outcome = await simulate(seed, sabotage);
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += outcome[name];
    virtual += outcome.virtual_ms;
    if (outcome.violations.length > 0) {
      failed += 1;
      sayFailure(outcome, sabotage);
    }
    if (performance.now() - saidAt > SAY_EVERY_MS) {
      saidAt = performance.now();
      console.log(`${seed - from + 1} of ${seeds} seeds, ${failed} failed`);
    }
  }
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  const counts = Object.entries(total).map(([name, count]) => `${count} ${name}`);
  console.log(
    `${seeds} seeds in ${seconds} s (${(virtual / 3_600_000).toFixed(1)} h of their own): ${counts.join(', ')}`,
  );
  console.log(failed === 0 ? 'every promise was kept' : `${failed} seeds failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main().catch((error: unknown) => {
  console.error(
    error instanceof RangeError || error instanceof TypeError ? `${error.message}\n${USAGE}` : error,
  );
  process.exitCode = 2;
});
