import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type BrokerEnd, cacheFolder, findBroker, type LocalBroker, startLocalBroker } from '../src/index.ts';
import { lockHome } from '../src/home-lock.ts';
import { greetedBy } from '../src/nats-greeting.ts';
import { request } from './raw-nats.ts';
import { isAlive, until } from './until.ts';

let binary: string;
let home: string;
const running: LocalBroker[] = [];
let lines: string[] = [];
let ends: BrokerEnd[] = [];

beforeAll(async () => {
  binary = (await findBroker({ cacheDir: cacheFolder(), log: () => undefined })).path;
}, 300_000);
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'runledger-home-'));
  lines = [];
  ends = [];
});
afterEach(async () => {
  for (const broker of running.splice(0)) await broker.stop();
  await rm(home, { recursive: true, force: true, maxRetries: 5 });
});

async function start(more: { port?: number; binary?: string } = {}): Promise<LocalBroker> {
  const broker = await startLocalBroker({
    binary,
    home,
    log: (line) => lines.push(line),
    onExit: (end) => ends.push(end),
    ...more,
  });
  running.push(broker);
  return broker;
}

const KEEP = JSON.stringify({
  name: 'KEEP',
  subjects: ['keep.>'],
  storage: 'file',
  max_bytes: 9 * 1024 ** 3,
});

describe('the private broker of a home', () => {
  it('keeps port, name and messages over a stop and a start', async () => {
    const first = await start();
    expect(await request(first.port, '$JS.API.STREAM.CREATE.KEEP', KEEP)).not.toHaveProperty('error');
    expect(await request(first.port, 'keep.a', 'x')).toMatchObject({ seq: 1 });
    const { port, name, pid } = first;
    expect(Number(await readFile(join(home, 'nats.pid'), 'utf8'))).toBe(pid);
    await first.stop();
    expect(await greetedBy(port)).toBeUndefined();
    const second = await start();
    expect({ port: second.port, name: second.name }).toEqual({ port, name });
    expect(await request(port, 'keep.a', 'y')).toMatchObject({ seq: 2 });
    expect(await readFile(join(home, 'nats.conf'), 'utf8')).toContain('sync_interval: always');
    expect(await readFile(join(home, 'logs', 'nats.log'), 'utf8')).toContain('Server is ready');
  });

  it('refuses a second start on the same home, and leaves the first alone', async () => {
    const first = await start();
    await expect(start()).rejects.toThrow(`is in use by another Runledger (process ${process.pid})`);
    expect(await greetedBy(first.port)).toBe(first.name);
  });

  it('refuses a given port that is in use', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    await expect(start({ port })).rejects.toThrow(`port ${port} for the broker is in use`);
    await writeFile(join(home, 'nats.port'), String(port));
    const other = await start();
    expect(other.port).not.toBe(port);
    expect(lines).toContainEqual(expect.stringContaining(`port ${port} of the last start is in use`));
    await new Promise((resolve) => taken.close(resolve));
  });

  it('tells the log of a broker that does not start, and frees the home', async () => {
    const broken = join(home, 'broken');
    await writeFile(broken, '#!/bin/sh\necho "[FTL] store is broken"\nexit 1\n');
    await chmod(broken, 0o755);
    await expect(start({ binary: broken })).rejects.toThrow(
      /ended while it was starting:\n\[FTL\] store is broken/,
    );
    await start();
  });

  it('is started again with the same address and messages when it is killed', async () => {
    const broker = await start();
    await request(broker.port, '$JS.API.STREAM.CREATE.KEEP', KEEP);
    await request(broker.port, 'keep.a', 'x');
    const before = broker.pid ?? 0;
    process.kill(before, 'SIGKILL');
    await until('the end to be told', () => ends.length === 1);
    expect(ends[0]).toMatchObject({ signal: 'SIGKILL', restarts: true });
    await until('the broker to answer again', async () => (await greetedBy(broker.port)) === broker.name);
    expect(broker.pid).not.toBe(before);
    expect(await request(broker.port, 'keep.a', 'y')).toMatchObject({ seq: 2 });
  });

  it('stays down when it cannot be started again', async () => {
    const script = join(home, 'once');
    await writeFile(
      script,
      `#!/bin/sh\n[ -e "${home}/used" ] && exit 7\ntouch "${home}/used"\nexec "${binary}" "$@"\n`,
    );
    await chmod(script, 0o755);
    const broker = await start({ binary: script });
    process.kill(broker.pid ?? 0, 'SIGKILL');
    await until('the last end', () => ends.some((end) => !end.restarts));
    expect(ends.at(-1)?.reason).toContain('ended while it was starting');
    expect(broker.pid).toBeUndefined();
    await broker.stop();
  });

  it('stays down when it ends again and again', async () => {
    const broker = await start();
    const down = (): boolean => ends.at(-1)?.restarts === false;
    let kills = 0;
    while (!down()) {
      await until('a broker', () => broker.pid !== undefined || down(), 20_000);
      if (broker.pid === undefined) break;
      expect(++kills).toBeLessThan(20);
      const { pid } = broker;
      process.kill(pid, 'SIGKILL');
      await until('its end', () => broker.pid !== pid);
    }
    expect(kills).toBeGreaterThanOrEqual(6);
    expect(ends.at(-1)?.reason).toMatch(/6 times within 60 s|ended while it was starting/);
    expect(await greetedBy(broker.port)).toBeUndefined();
  }, 60_000);
});

describe('after a hard end', () => {
  it('ends with its host when that is killed with -9, and starts again on the same data', async () => {
    const host = join(home, 'host.mjs');
    const built = new URL('../src/watchdog.ts', import.meta.url).href;
    const first = await start();
    const { port, name } = first;
    await request(port, '$JS.API.STREAM.CREATE.KEEP', KEEP);
    await request(port, 'keep.a', 'x');
    await first.stop();
    // The host: starts the broker of this home and ties it to itself, as startLocalBroker does.
    await writeFile(
      host,
      `import { spawn } from 'node:child_process'; import { tieToThisProcess } from ${JSON.stringify(built)};
       const broker = spawn(${JSON.stringify(binary)}, ['-c', ${JSON.stringify(join(home, 'nats.conf'))}], { detached: true, stdio: 'ignore' });
       tieToThisProcess(broker.pid); setInterval(() => {}, 1000);`,
    );
    const parent = spawn(process.execPath, [host], { stdio: 'ignore' });
    await until(
      'the broker',
      async () => (await greetedBy(port)) === name && existsSync(join(home, 'nats.pid')),
    );
    const pid = Number(readFileSync(join(home, 'nats.pid'), 'utf8'));
    parent.kill('SIGKILL');
    await until('the broker to end', () => !isAlive(pid));
    const second = await start();
    expect(await request(second.port, 'keep.a', 'y')).toMatchObject({ seq: 2 });
  });

  it('ends a broker that an earlier start has left behind', async () => {
    const first = await start();
    await first.stop();
    const orphan = spawn(binary, ['-c', join(home, 'nats.conf')], { stdio: 'ignore' });
    await until('the orphan', async () => (await greetedBy(first.port)) === first.name);
    await until('its pid file', () => existsSync(join(home, 'nats.pid')));
    const second = await start();
    expect(lines).toContain(`ended the broker of an earlier start (process ${orphan.pid})`);
    expect(second.port).toBe(first.port);
    expect(second.pid).not.toBe(orphan.pid);
    await until('the orphan to end', () => orphan.exitCode !== null || orphan.signalCode !== null);
  });

  it('leaves a process alone that has got the old pid by chance', async () => {
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    await writeFile(join(home, 'nats.pid'), String(stranger.pid));
    await start();
    expect(isAlive(stranger.pid ?? 0)).toBe(true);
    stranger.kill('SIGKILL');
  });
});

describe('the lock of a home', () => {
  it('is held by one, ends with release, and is not stale after a kill -9', async () => {
    const lock = lockHome(home);
    expect(() => lockHome(home)).toThrow('is in use');
    lock.release();
    lockHome(home).release();
    const source = new URL('../src/home-lock.ts', import.meta.url).href;
    const script = join(home, 'holder.mjs');
    await writeFile(
      script,
      `import { lockHome } from ${JSON.stringify(source)}; lockHome(${JSON.stringify(home)}); setInterval(() => {}, 1000);`,
    );
    const holder = spawn(process.execPath, [script], { stdio: 'ignore' });
    const pid = String(holder.pid);
    await until('the holder', () => readFileSync(join(home, 'lock.pid'), 'utf8') === pid);
    expect(() => lockHome(home)).toThrow(`(process ${pid})`);
    holder.kill('SIGKILL');
    await until('the holder to end', () => holder.signalCode !== null);
    lockHome(home).release();
  });
});
