import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { cached } from '../src/broker-cache.ts';
import type { BrokerStep } from '../src/broker-step.ts';
import { debianPackage } from '../src/debian-package.ts';
import { goToolchain } from '../src/go-toolchain.ts';
import { atLeast, BROKER_FLOOR, BROKER_PINNED, cacheFolder, findBroker } from '../src/index.ts';
import { officialRelease } from '../src/official-release.ts';
import { onPath } from '../src/on-path.ts';

let root: string;
let real: string;
let place: string;
const servers: Server[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'runledger-find-'));
  real = (await findBroker({ cacheDir: cacheFolder(), log: () => undefined })).path;
}, 300_000);
beforeEach(async () => {
  place = await mkdtemp(join(root, 'case-'));
});
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await rm(root, { recursive: true, force: true });
});

async function folderWith(answer: string): Promise<string> {
  const folder = await mkdtemp(join(place, 'bin-'));
  await writeFile(join(folder, 'nats-server'), `#!/bin/sh\necho '${answer}'\n`);
  await chmod(join(folder, 'nats-server'), 0o755);
  return folder;
}

async function folderWithReal(): Promise<string> {
  const folder = await mkdtemp(join(place, 'bin-'));
  await symlink(real, join(folder, 'nats-server'));
  return folder;
}

async function serve(answer: (path: string) => Buffer | string | undefined): Promise<string> {
  const server = createServer((asked, response) => {
    const body = answer(asked.url ?? '');
    if (body === 'hang') return;
    response.statusCode = body === undefined ? 404 : 200;
    response.end(body ?? 'no');
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A release as the NATS project lays it out, with the real binary in it. */
async function release(sum?: string): Promise<{ url: string; name: string }> {
  const system = process.platform;
  const machine = process.arch === 'x64' ? 'amd64' : process.arch;
  const name = `nats-server-v${BROKER_PINNED}-${system}-${machine}`;
  await mkdir(join(place, name));
  await writeFile(join(place, name, 'nats-server'), await readFile(real), { mode: 0o755 });
  await promisify(execFile)('tar', ['-czf', 'release.tar.gz', name], { cwd: place });
  const archive = await readFile(join(place, 'release.tar.gz'));
  const digest = sum ?? createHash('sha256').update(archive).digest('hex');
  const url = await serve((path) => {
    if (path === `/v${BROKER_PINNED}/SHA256SUMS`)
      return `${'0'.repeat(64)}  other.zip\n${digest}  ${name}.tar.gz\n`;
    return path === `/v${BROKER_PINNED}/${name}.tar.gz` ? archive : undefined;
  });
  return { url, name };
}

function search(path: string, steps: BrokerStep[], patienceMs = 2000) {
  const lines: string[] = [];
  const cacheDir = join(place, 'cache');
  const found = findBroker({
    cacheDir,
    log: (line) => lines.push(line),
    env: { PATH: path },
    steps,
    patienceMs,
  });
  return { found, lines, cacheDir };
}

describe('versions', () => {
  it.each([
    ['2.14.5', true],
    ['2.14.10', true],
    ['2.15.0', true],
    ['10.0.0', true],
    ['2.14.4', false],
    ['2.9.10', false],
    ['2.14.5-RC.1', false],
    ['2.15.0-RC.1', true],
  ])('%s at or above 2.14.5: %s', (version, expected) => {
    expect(atLeast(version, '2.14.5')).toBe(expected);
  });
});

describe('finding a broker', () => {
  it('passes over a version below the floor on PATH, and takes the next that fits', async () => {
    const old = await folderWith('nats-server: v2.9.10');
    const { found } = search(`${old}:${await folderWithReal()}`, [onPath]);
    await expect(found).resolves.toMatchObject({ how: 'looking for a nats-server on PATH' });
    expect((await found).path.startsWith(old)).toBe(false);
  });

  it('tells in the next line why the step before did not fit', async () => {
    const old = await folderWith('nats-server: v2.9.10');
    const { url } = await release();
    const { found, lines } = search(`${old}:/usr/bin:/bin`, [onPath, officialRelease(url)]);
    await found;
    expect(lines).toEqual([
      'nats-server: looking for a nats-server on PATH',
      expect.stringContaining(
        `(before: ${old}/nats-server is version 2.9.10, below the floor ${BROKER_FLOOR})`,
      ),
    ]);
  });

  it('lists every step with its reason in one error when none fits', async () => {
    const old = await folderWith('nats-server: v2.9.10');
    const closed = await serve(() => undefined);
    const { found } = search(old, [onPath, cached, debianPackage, officialRelease(closed), goToolchain]);
    const message = await found.then(
      () => 'found one',
      (error: Error) => error.message,
    );
    expect(message.split('\n')).toEqual([
      `no nats-server ${BROKER_FLOOR} or newer could be found or fetched:`,
      expect.stringMatching(/^ {2}1\. .*PATH: .*version 2\.9\.10, below the floor/),
      expect.stringMatching(/^ {2}2\. .*fetched nats-server: .*cache\/nats-server has none/),
      expect.stringMatching(/^ {2}3\. .*(neither Debian nor Ubuntu|cannot be run \(ENOENT\))/),
      expect.stringMatching(/^ {2}4\. .*SHA256SUMS: answered 404/),
      expect.stringMatching(/^ {2}5\. .*go cannot be run \(ENOENT\)/),
      expect.stringContaining('RUNLEDGER_NATS_URL'),
    ]);
  });

  it('holds to RUNLEDGER_NATS_SERVER, also when it does not fit', async () => {
    const cacheDir = join(place, 'cache');
    const named = (binary: string) =>
      findBroker({ cacheDir, log: () => undefined, env: { PATH: '', RUNLEDGER_NATS_SERVER: binary } });
    await expect(named(real)).resolves.toMatchObject({ path: real, how: 'named by RUNLEDGER_NATS_SERVER' });
    await expect(named(join(await folderWith('hello'), 'nats-server'))).rejects.toThrow(
      'does not answer like',
    );
    await expect(named('/nowhere/nats-server')).rejects.toThrow('RUNLEDGER_NATS_SERVER does not fit');
  });
});

describe('the official release', () => {
  it('is checked, kept, and found in the cache the next time', async () => {
    const { url } = await release();
    const first = search('/usr/bin:/bin', [cached, officialRelease(url)]);
    const { path, version } = await first.found;
    expect(path).toBe(join(first.cacheDir, 'nats-server', version, 'nats-server'));
    const second = search('', [cached, officialRelease('http://127.0.0.1:1')]);
    await expect(second.found).resolves.toMatchObject({ path, how: 'looking for a fetched nats-server' });
    expect(await readdir(join(first.cacheDir, 'nats-server'))).toEqual([version]);
  });

  it('is refused when its checksum is not the promised one, and leaves nothing', async () => {
    const { url } = await release('f'.repeat(64));
    const { found, cacheDir } = search('/usr/bin:/bin', [officialRelease(url)]);
    await expect(found).rejects.toThrow(/has the checksum [0-9a-f]{64}, and f{64} was promised/);
    expect(await readdir(join(cacheDir, 'nats-server'))).toEqual([]);
  });

  it('gives up after its patience when nobody answers', async () => {
    const silent = await serve(() => 'hang');
    const started = performance.now();
    await expect(search('', [officialRelease(silent)], 300).found).rejects.toThrow(
      'found no network within 0.3 s',
    );
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('is fetched by several processes at once, and all end with a whole one', async () => {
    const { url } = await release();
    const source = fileURLToPath(new URL('../src/', import.meta.url));
    const cacheDir = join(place, 'cache');
    const script = `
      import { findBroker } from ${JSON.stringify(`${source}find-broker.ts`)};
      import { officialRelease } from ${JSON.stringify(`${source}official-release.ts`)};
      const steps = [officialRelease(${JSON.stringify(url)})];
      const found = await findBroker({ cacheDir: ${JSON.stringify(cacheDir)}, log() {}, env: process.env, steps });
      console.log(found.version);`;
    await writeFile(join(place, 'fetch.mjs'), script);
    const env = { ...process.env };
    delete env['RUNLEDGER_NATS_SERVER'];
    const fetched = await Promise.all(
      [1, 2, 3].map(
        () =>
          new Promise<string>((resolve) => {
            const child = spawn(process.execPath, [join(place, 'fetch.mjs')], { env });
            let out = '';
            child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
            child.stderr.on('data', (chunk: Buffer) => (out += chunk.toString()));
            child.once('close', () => resolve(out.trim()));
          }),
      ),
    );
    const [version = ''] = await readdir(join(cacheDir, 'nats-server'));
    expect(fetched).toEqual([version, version, version]);
    expect(await readdir(join(cacheDir, 'nats-server'))).toHaveLength(1);
  });

  it('takes the place of a cached one that does not run', async () => {
    const { url } = await release();
    const { version } = await search('/usr/bin:/bin', [officialRelease(url)]).found;
    await writeFile(join(place, 'cache', 'nats-server', version, 'nats-server'), 'half a fi');
    const again = search('/usr/bin:/bin', [cached, officialRelease(url)]);
    await expect(again.found).resolves.toMatchObject({ version });
    expect(again.lines.at(-1)).toContain('(before: ');
  });
});

const hasApt = ['/usr/bin/apt-get', '/etc/debian_version'].every((file) => {
  try {
    accessSync(file);
    return true;
  } catch {
    return false;
  }
});

(hasApt ? describe : describe.skip)('the package of a newer suite', () => {
  it('gives up after its patience when the network is silent, and leaves nothing', async () => {
    const silent = await serve(() => 'hang');
    const cacheDir = join(place, 'cache');
    const env = { PATH: process.env['PATH'], http_proxy: silent, https_proxy: silent };
    const found = findBroker({
      cacheDir,
      log: () => undefined,
      env,
      steps: [debianPackage],
      patienceMs: 1000,
    });
    await expect(found).rejects.toThrow(/found no network within 1 s|ended with 100/);
    expect(await readdir(join(cacheDir, 'nats-server'))).toEqual([]);
  });

  (process.env['RUNLEDGER_TEST_NETWORK'] === '1' ? it : it.skip)(
    'comes from the mirror of this machine (RUNLEDGER_TEST_NETWORK=1)',
    async () => {
      const { found, cacheDir } = search(process.env['PATH'] ?? '', [debianPackage], 5000);
      const { path, version } = await found;
      expect(path).toBe(join(cacheDir, 'nats-server', version, 'nats-server'));
      expect(atLeast(version, BROKER_FLOOR)).toBe(true);
    },
    120_000,
  );
});
