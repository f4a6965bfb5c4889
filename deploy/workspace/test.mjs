// npm test: sets up what the tests need and runs them all, or those that the arguments choose (they go to Jest).
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt, ensureInstalled, main, node, NotReady, root, workspaceEnv } from './ready.mjs';

const FLAGS = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];

/** Once for all test files, which would each search otherwise. Fetching it may need Node 24, so that does it. */
async function findBroker() {
  const library = pathToFileURL(join(root, 'libs/local-servers/dist/index.js')).href;
  const script = `
    import { cacheFolder, findBroker } from ${JSON.stringify(library)};
    try {
      const found = await findBroker({ cacheDir: cacheFolder(), log: (line) => console.error(line) });
      console.log(found.path);
    } catch (error) {
      console.error(error.message);
      process.exitCode = 1;
    }`;
  const child = spawn(node, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let path = '';
  child.stdout.on('data', (chunk) => (path += chunk));
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0) throw new NotReady('the tests need a broker');
  return path.trim();
}

await main(async () => {
  try {
    await ensureInstalled();
    await ensureBuilt();
    const env = workspaceEnv({ RUNLEDGER_NATS_SERVER: await findBroker() });
    const args = [...FLAGS, 'node_modules/jest/bin/jest.js', ...process.argv.slice(2)];
    const jest = spawn(node, args, { cwd: root, env, stdio: 'inherit' });
    // Ctrl-C reaches Jest by itself; it must be able to end its workers before we are gone.
    process.on('SIGINT', () => undefined);
    process.on('SIGTERM', () => jest.kill('SIGTERM'));
    const code = await new Promise((resolve, reject) => jest.once('error', reject).once('close', resolve));
    process.exitCode = code ?? 1;
  } catch (error) {
    process.once('exit', () => console.log('0 passed, 1 failed'));
    throw error;
  }
});
