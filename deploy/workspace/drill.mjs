// npm run drill -- <name>|all [--r3] [--long]: hurts a real system on this machine and shows what holds.
import { foreground } from './foreground.mjs';
import { ensureBuilt, ensureInstalled, main } from './ready.mjs';

await main(async () => {
  await ensureInstalled();
  await ensureBuilt();
  await foreground('deploy/drills/main.ts', process.argv.slice(2));
});
