import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { mongoForTests, startMongoServer, temporaryFolder, waitFor } from '../src/index.ts';

const found = await mongoForTests({ own: true });

const listens = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });

const SOURCE = fileURLToPath(new URL('../../local-servers/src/start-mongo.ts', import.meta.url));
/** Starts the server whose program and folder it is given, and does nothing more. */
const PARENT = `
  import { startMongo } from ${JSON.stringify(SOURCE)};
  const server = await startMongo(JSON.parse(process.argv[1]));
  console.log(server.url);
  setInterval(() => undefined, 1000);
`;

(found ? describe : describe.skip)('a MongoDB server for a test', () => {
  it('keeps its port over kill and restart, and is gone after a stop', async () => {
    const server = await startMongoServer({ ...(found && { found }) });
    const { url } = server;
    expect(await listens(url)).toBe(true);
    await server.kill();
    expect(await listens(url)).toBe(false);
    await server.restart();
    expect([server.url, await listens(url)]).toEqual([url, true]);
    server.pause();
    await server.stop();
    expect(await listens(url)).toBe(false);
  }, 60_000);

  it('ends with the process that started it, however that ends', async () => {
    if (found === undefined || 'url' in found) throw new Error('not a program of ours');
    const folder = await temporaryFolder();
    const options = JSON.stringify({ binary: found.binary, folder: folder.path, disposable: true });
    const parent = spawn(process.execPath, ['--input-type=module', '-e', PARENT, options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let url = '';
    parent.stdout.on('data', (chunk: Buffer) => (url += chunk.toString().trim()));
    await waitFor(() => url !== '', { describe: 'the server to start', timeoutMs: 30_000 });
    expect(await listens(url)).toBe(true);
    parent.kill('SIGKILL');
    await waitFor(async () => !(await listens(url)), { describe: 'the server to end' });
    await waitFor(() => !existsSync(folder.path), { describe: 'its folder to be removed' });
  }, 60_000);

  it('does not touch a server that somebody else runs', async () => {
    const server = await startMongoServer({ found: { url: 'mongodb://127.0.0.1:1/', how: 'named' } });
    await expect(server.kill()).rejects.toThrow('is not ours to stop');
    await server.stop();
  });
});
