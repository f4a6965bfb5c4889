// npm run build: installs what the lockfile says and compiles everything.
import { ensureBuilt, ensureInstalled, main } from './ready.mjs';

await main(async () => {
  await ensureInstalled();
  await ensureBuilt();
});
