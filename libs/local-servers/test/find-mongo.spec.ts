import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { findMongo } from '../src/index.ts';
import { ferretdb } from '../src/mongo-ferretdb.ts';
import { mongodOnPath } from '../src/mongo-on-path.ts';
import { mongodRelease } from '../src/mongo-release.ts';
import { onShelf } from '../src/mongo-shelf.ts';
import { runCommand } from '../src/run-command.ts';

let root: string;
let place: string;
const servers: Server[] = [];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'runledger-find-mongo-'));
});
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

/** A mongod that only knows its version. */
async function mongodIn(folder: string, version: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'mongod'), `#!/bin/sh\necho 'db version v${version}'\n`);
  await chmod(join(folder, 'mongod'), 0o755);
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

/** A release as MongoDB lays it out, with a mongod of this version in it. */
async function release(version: string, sum?: string): Promise<string> {
  await mongodIn(join(place, 'mongodb-any', 'bin'), version);
  await runCommand('tar', ['-czf', 'any.tgz', 'mongodb-any'], { cwd: place, timeoutMs: 10_000 });
  const archive = await readFile(join(place, 'any.tgz'));
  const digest = sum ?? createHash('sha256').update(archive).digest('hex');
  return serve((path) => (path.endsWith('.sha256') ? `${digest}  any.tgz\n` : archive));
}

describe('the search for a MongoDB server', () => {
  it('ends with the server that is named, without a look at it', async () => {
    const url = 'mongodb://ann:word@somewhere/';
    const lines: string[] = [];
    const found = await findMongo({
      cacheDir: place,
      env: { RUNLEDGER_MONGODB_URL: url },
      log: (line) => lines.push(line),
    });
    expect(found).toMatchObject({ url });
    expect(lines.join()).not.toContain('word');
  });

  it('passes over a mongod that is too old', async () => {
    await mongodIn(join(place, 'old'), '4.0.28');
    await mongodIn(join(place, 'new'), '7.0.14');
    const PATH = `${join(place, 'old')}:${join(place, 'new')}`;
    const lines: string[] = [];
    const found = await findMongo({ cacheDir: place, env: { PATH }, log: (line) => lines.push(line) });
    expect(found).toMatchObject({
      binary: { kind: 'mongod', version: '7.0.14', path: join(place, 'new', 'mongod') },
    });
    expect(lines).toEqual([
      'MongoDB server: looking for a server named by RUNLEDGER_MONGODB_URL',
      'MongoDB server: looking for a mongod on PATH (before: RUNLEDGER_MONGODB_URL is not set)',
    ]);
  });

  it('fetches the release once, and finds it again', async () => {
    const step = mongodRelease(await release('8.0.13'));
    const search = { cacheDir: place, env: { PATH: '' }, log: () => undefined };
    const fetched = await findMongo({ ...search, steps: [step] });
    expect(fetched).toMatchObject({ binary: { version: '8.0.13' } });
    expect(await findMongo({ ...search })).toMatchObject({
      how: 'looking for a server that was fetched or built before',
    });
  });

  it('does not use a release whose checksum is another', async () => {
    const step = mongodRelease(await release('8.0.13', 'f'.repeat(64)));
    await expect(
      findMongo({ cacheDir: place, env: {}, log: () => undefined, steps: [step] }),
    ).rejects.toThrow('it is not used');
    expect(await readdir(join(place, 'mongod', '8.0.13'))).not.toContain('program');
  });

  it('names every step and why it does not fit, and gives up on a silent network', async () => {
    const silent = mongodRelease(await serve(() => 'hang'));
    const steps = [mongodOnPath, silent, ferretdb];
    const begun = performance.now();
    const search = findMongo({
      cacheDir: place,
      env: { PATH: place },
      log: () => undefined,
      steps,
      patienceMs: 300,
    });
    await expect(search).rejects.toThrow(
      /1\. looking for a mongod on PATH: PATH has no mongod\n.*2\..*found no network within 0.3 s\n.*3\..*go cannot be run \(ENOENT\)/s,
    );
    expect(performance.now() - begun).toBeLessThan(5_000);
  });
});

describe('a shelf of the cache', () => {
  it('has its program made once, however many ask', async () => {
    let made = 0;
    const parts = {
      log: () => undefined,
      accept: (folder: string) => readFile(join(folder, 'it'), 'utf8'),
      make: async (workshop: string) => {
        made += 1;
        await mkdir(join(workshop, 'out'));
        await writeFile(join(workshop, 'out', 'it'), `made ${made}`);
        return join(workshop, 'out');
      },
    };
    const all = await Promise.all(Array.from({ length: 5 }, () => onShelf(join(place, 'shelf'), parts)));
    expect([made, ...all]).toEqual([1, ...all.map(() => 'made 1')]);
  });

  it('is left empty by a making that fails, and free for the next', async () => {
    const folder = join(place, 'shelf');
    const accept = (from: string): Promise<string> => readFile(join(from, 'it'), 'utf8');
    const fail = { log: () => undefined, accept, make: async () => Promise.reject(new Error('no luck')) };
    await expect(onShelf(folder, fail)).rejects.toThrow('no luck');
    expect((await readdir(folder)).filter((name) => !name.startsWith('lock'))).toEqual([]);
    const make = async (workshop: string): Promise<string> => {
      await writeFile(join(workshop, 'it'), 'ok');
      return workshop;
    };
    expect(await onShelf(folder, { log: () => undefined, accept, make })).toBe('ok');
  });
});
