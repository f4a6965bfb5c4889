// npm run bootstrap: identities, streams and buckets at an external broker, and the first key.
import { foreground } from './foreground.mjs';
import { ensureBuilt, ensureInstalled, main } from './ready.mjs';

await main(async () => {
  await ensureInstalled();
  await ensureBuilt();
  await foreground('services/local/dist/bootstrap-main.js', process.argv.slice(2));
});
