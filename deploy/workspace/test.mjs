// npm test: sets up what the tests need and runs them all, or those that the arguments choose (they go to Jest).
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt, ensureInstalled, main, node, NotReady, root, workspaceEnv } from './ready.mjs';

const FLAGS = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];

/** Runs a script with Node 24, where `servers` is the library that finds and fetches servers; gives its stdout. */
async function withServers(body) {
  const library = pathToFileURL(join(root, 'libs/local-servers/dist/index.js')).href;
  const script = `
    import * as servers from ${JSON.stringify(library)};
    const search = { cacheDir: servers.cacheFolder(), log: (line) => console.error(line) };
    try {
      ${body}
    } catch (error) {
      console.error(error.message);
      process.exitCode = 1;
    }`;
  const child = spawn(node, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  return { code, said: said.trim() };
}

/** Once for all test files, which would each search otherwise. */
async function findBroker() {
  const { code, said } = await withServers('console.log((await servers.findBroker(search)).path);');
  if (code !== 0) throw new NotReady('the tests need a broker');
  return said;
}

/** Into the cache, where the test files find it: nothing is built while time is measured. */
async function findMongo() {
  const { code } = await withServers(
    'await servers.findMongo({ ...search, steps: servers.MONGO_PROGRAM_STEPS });',
  );
  if (code !== 0 && process.env.CI) throw new NotReady('the tests need a MongoDB server');
}

await main(async () => {
  try {
    await ensureInstalled();
    await ensureBuilt();
    const env = workspaceEnv({ RUNLEDGER_NATS_SERVER: await findBroker() });
    await findMongo();
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
