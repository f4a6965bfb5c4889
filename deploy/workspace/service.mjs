// npm run service -- <name>: one service alone, against RUNLEDGER_NATS_URL.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { foreground } from './foreground.mjs';
import { ensureBuilt, ensureInstalled, main, NotReady, root } from './ready.mjs';

/** Run by other commands: `npm start` and `npm run runledger`. */
const NOT_ALONE = ['local', 'cli', 'console'];

await main(async () => {
  const [name, ...args] = process.argv.slice(2);
  const names = readdirSync(join(root, 'services')).filter(
    (folder) => !NOT_ALONE.includes(folder) && existsSync(join(root, 'services', folder, 'package.json')),
  );
  if (!names.includes(name)) {
    const asked = name === undefined ? 'no service was named' : `there is no service "${name}"`;
    throw new NotReady(`${asked}. Usage: npm run service -- <${names.join('|')}>`);
  }
  await ensureInstalled();
  await ensureBuilt();
  await foreground(`services/${name}/dist/main.js`, args);
});
