import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connectBroker } from '@runledger/nest-jetstream';
import {
  freePort,
  startBroker,
  temporaryFolder,
  type TemporaryFolder,
  type TestBroker,
  waitFor,
} from '@runledger/testkit';

// Runs the built service host (dist), as a service's main.js does.

interface Child {
  pid: number;
  output: () => string;
  ended: Promise<number | string>;
}

describe('a service as a process', () => {
  let server: TestBroker;
  let folder: TemporaryFolder;
  const started: ChildProcess[] = [];
  // A test that failed has not ended its own.
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
  });
  beforeAll(async () => {
    [server, folder] = await Promise.all([startBroker({ syncAlways: false }), temporaryFolder()]);
    const broker = await connectBroker({ url: server.url, name: 'setup' });
    await (await broker.jsm()).streams.add({ name: 'RUNS', subjects: ['runs.>'] });
    await broker.close();
  });
  afterAll(async () => {
    await server?.stop();
    await folder?.remove();
  });

  function start(env: Record<string, string>, args = ['idle']): Child {
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('fixtures/service.mjs', import.meta.url)), ...args],
      {
        env: { PATH: process.env['PATH'] ?? '', RUNLEDGER_HOME: folder.path, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    started.push(child);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const ended = new Promise<number | string>((resolve) =>
      child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown')),
    );
    return { pid: child.pid ?? 0, output: () => text, ended };
  }

  it('SIGTERM ends it in order with exit code 0', async () => {
    const child = start({ RUNLEDGER_NATS_URL: server.url });
    await waitFor(() => child.output().includes('reconciler is up'), {
      describe: () => `it is up:\n${child.output()}`,
    });
    process.kill(child.pid, 'SIGTERM');
    expect(await child.ended).toBe(0);
    expect(child.output()).toContain('reconciler has stopped');
  });

  it('SIGTERM while it waits for a broker ends it with exit code 0', async () => {
    const child = start({ RUNLEDGER_NATS_URL: `nats://127.0.0.1:${await freePort()}` });
    await waitFor(() => child.output().includes('no broker at'), {
      describe: () => `it waits:\n${child.output()}`,
    });
    process.kill(child.pid, 'SIGTERM');
    expect(await child.ended).toBe(0);
  });

  it('a wrong setting is one line that names it, and exit code 1', async () => {
    const child = start({ RUNLEDGER_SLOTS: 'many' });
    expect(await child.ended).toBe(1);
    expect(child.output()).toBe(
      'reconciler: wrong settings: RUNLEDGER_SLOTS must be a whole number from 1 to 10000, not "many"\n',
    );
  });

  it('a second signal ends it at once', async () => {
    const child = start({ RUNLEDGER_NATS_URL: server.url }, ['hang', '60000']);
    await waitFor(() => child.output().includes('reconciler is up'), { describe: () => child.output() });
    process.kill(child.pid, 'SIGTERM');
    await waitFor(() => child.output().includes('shutting down'), { describe: () => child.output() });
    process.kill(child.pid, 'SIGINT');
    expect(await child.ended).toBe(130);
  });

  it('a shutdown that takes longer than it may ends with exit code 1', async () => {
    const child = start({ RUNLEDGER_NATS_URL: server.url }, ['hang', '100']);
    await waitFor(() => child.output().includes('reconciler is up'), { describe: () => child.output() });
    process.kill(child.pid, 'SIGTERM');
    expect(await child.ended).toBe(1);
    expect(child.output()).toContain('the application did not close within');
  });

  it('a connection that is closed for good ends it with exit code 1 and a line that says so', async () => {
    const child = start({ RUNLEDGER_NATS_URL: server.url }, ['cut']);
    expect(await child.ended).toBe(1);
    expect(child.output()).toContain('the connection to the broker is closed for good');
  });
});
