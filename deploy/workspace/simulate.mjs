// npm run simulate -- [--seeds N] [--from S] [--seed S] [--sabotage RULE]: lives of the whole system under a clock of their own;
// a failing seed is printed with how to repeat it.
import { foreground } from './foreground.mjs';
import { ensureBuilt, ensureInstalled, main } from './ready.mjs';

await main(async () => {
  await ensureInstalled();
  await ensureBuilt();
  await foreground('libs/simulation/dist/main.js', process.argv.slice(2));
});
