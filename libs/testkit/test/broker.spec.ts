import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import { startBroker, temporaryFolder, type TestBroker, waitFor } from '../src/index.ts';

const brokers: TestBroker[] = [];
async function start(options?: Parameters<typeof startBroker>[0]): Promise<TestBroker> {
  const broker = await startBroker(options);
  brokers.push(broker);
  return broker;
}
afterEach(async () => {
  for (const broker of brokers.splice(0)) await broker.stop();
});

async function ask(broker: TestBroker, subject: string, body?: string): Promise<Record<string, unknown>> {
  const connection = await connect({ servers: broker.url, reconnect: false, timeout: 2000 });
  try {
    return (await connection.request(subject, body, { timeout: 2000 })).json<Record<string, unknown>>();
  } finally {
    await connection.close();
  }
}

describe('a broker for a test', () => {
  it('is its own server, and keeps port and messages over kill and restart', async () => {
    const broker = await start();
    const stream = { name: 'KEEP', subjects: ['keep.>'], storage: 'file' };
    expect(await ask(broker, '$JS.API.STREAM.CREATE.KEEP', JSON.stringify(stream))).not.toHaveProperty(
      'error',
    );
    expect(await ask(broker, 'keep.a', 'x')).toMatchObject({ stream: 'KEEP', seq: 1 });
    const { url, pid } = broker;
    await broker.kill();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    await broker.restart();
    expect(broker.url).toBe(url);
    expect(broker.pid).not.toBe(pid);
    expect(await ask(broker, 'keep.a', 'y')).toMatchObject({ stream: 'KEEP', seq: 2 });
  });

  it('runs beside others without meeting them', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    expect(one.url).not.toBe(two.url);
    expect(one.name).not.toBe(two.name);
  });

  it('is silent while paused and answers when resumed', async () => {
    const broker = await start();
    const connection = await connect({ servers: broker.url });
    broker.pause();
    // The signal takes effect a moment after it was sent.
    const silent = (): Promise<boolean> =>
      connection.request('$JS.API.INFO', undefined, { timeout: 300 }).then(
        () => false,
        () => true,
      );
    await waitFor(silent, { describe: 'the broker to be silent' });
    broker.resume();
    await connection.request('$JS.API.INFO', undefined, { timeout: 5000 });
    await connection.close();
  });

  it('refuses a port that another server holds, and says so', async () => {
    const first = await start();
    await expect(startBroker({ port: first.port })).rejects.toThrow(/ended by itself|does not hold/);
  }, 20_000);

  it('leaves no process and no folder after stop', async () => {
    const broker = await startBroker();
    const { pid, storeDir } = broker;
    await broker.stop();
    expect(existsSync(storeDir)).toBe(false);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('does not outlive a test process that is killed with -9', async () => {
    const folder = await temporaryFolder();
    try {
      const said = join(folder.path, 'said.json');
      const script = join(folder.path, 'orphan.mjs');
      const local = fileURLToPath(new URL('../../local-servers/src/watchdog.ts', import.meta.url));
      await writeFile(
        script,
        `import { spawn } from 'node:child_process'; import { writeFileSync } from 'node:fs';
         import { tieToThisProcess } from ${JSON.stringify(local)};
         const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
         tieToThisProcess(child.pid, ${JSON.stringify(join(folder.path, 'gone'))});
         writeFileSync(${JSON.stringify(said)}, String(child.pid)); setInterval(() => {}, 1000);`,
      );
      const { mkdirSync, readFileSync } = await import('node:fs');
      mkdirSync(join(folder.path, 'gone'));
      const parent = spawn(process.execPath, [script], { stdio: 'ignore' });
      const child = Number(
        await waitFor(() => existsSync(said) && readFileSync(said, 'utf8'), { describe: 'the child' }),
      );
      process.kill(child, 0);
      parent.kill('SIGKILL');
      await waitFor(() => !isAlive(child), { describe: 'the end of the child' });
      await waitFor(() => !readdirSync(folder.path).includes('gone'), { describe: 'the folder to go' });
    } finally {
      await folder.remove();
    }
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
