// npm run bench -- [name ...] [--seconds n] [--rounds n] [--setup one|many|both] [--json file] [--compare file]: measures the product
// beside its raw limits.
import { foreground } from './foreground.mjs';
import { ensureBuilt, ensureInstalled, main } from './ready.mjs';

await main(async () => {
  await ensureInstalled();
  await ensureBuilt();
  await foreground('deploy/bench/main.ts', process.argv.slice(2));
});
