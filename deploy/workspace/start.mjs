// npm start: installs, builds, and runs broker and services in the foreground.
import { foreground } from './foreground.mjs';
import { ensureBuilt, ensureInstalled, main } from './ready.mjs';

await main(async () => {
  await ensureInstalled();
  await ensureBuilt();
  await foreground('services/local/dist/main.js', process.argv.slice(2));
});
