import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Search } from './broker-step.ts';
import { acceptedMongod } from './mongo-on-path.ts';
import { onShelf } from './mongo-shelf.ts';
import type { MongoBinary, MongoStep } from './mongo-step.ts';
import { oneLine, runCommand } from './run-command.ts';

const PINNED = '8.0.13';
const DOWNLOADS = 'https://fastdl.mongodb.org';
const WHOLE_TIME_MS = 600_000;

export const mongodShelf = (cacheDir: string): string => join(cacheDir, 'mongod', PINNED);
export const mongodAt = (place: string): Promise<MongoBinary> => acceptedMongod(join(place, 'bin', 'mongod'));

/** The release that MongoDB publishes for this platform, checked against the checksum published with it. */
export function mongodRelease(downloads: string = DOWNLOADS): MongoStep {
  return {
    does: `fetching the official mongod ${PINNED} for this platform (checked against its checksum)`,
    async find(search) {
      const name = await archiveName();
      const url = `${downloads}/${name}`;
      const binary = await onShelf(mongodShelf(search.cacheDir), {
        log: search.log,
        accept: mongodAt,
        make: async (workshop) => {
          const promised = (await get(`${url}.sha256`, search)).toString('utf8').trim().split(/\s/)[0];
          const archive = await get(url, search);
          const digest = createHash('sha256').update(archive).digest('hex');
          if (digest !== promised)
            throw new Error(
              `${url} has the checksum ${digest}, and ${promised} was promised: it is not used`,
            );
          await writeFile(join(workshop, 'release.tgz'), archive);
          const unpack = ['-xzf', 'release.tgz', '--one-top-level=release', '--strip-components=1'];
          await runCommand('tar', unpack, { timeoutMs: WHOLE_TIME_MS, cwd: workshop });
          return join(workshop, 'release');
        },
      });
      return { binary };
    },
  };
}

async function archiveName(): Promise<string> {
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string];
  if (machine !== undefined && process.platform === 'darwin')
    return `osx/mongodb-macos-${machine === 'aarch64' ? 'arm64' : machine}-${PINNED}.tgz`;
  const system = machine !== undefined && process.platform === 'linux' ? await distribution() : undefined;
  if (machine === undefined || system === undefined || (machine === 'aarch64' && system.startsWith('debian')))
    throw new Error('there is no release for this platform');
  return `linux/mongodb-linux-${machine}-${system}-${PINNED}.tgz`;
}

/** As MongoDB names the distributions that it builds for. */
async function distribution(): Promise<string | undefined> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const field = (name: string): string => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(release)?.[1] ?? '';
  const version = Number.parseFloat(field('VERSION_ID'));
  if (field('ID') === 'debian' && version >= 12) return 'debian12';
  if (field('ID') !== 'ubuntu' || version < 22.04) return undefined;
  return version >= 24.04 ? 'ubuntu2404' : 'ubuntu2204';
}

async function get(url: string, { patienceMs }: Search): Promise<Buffer> {
  const giveUp = new AbortController();
  const noSign = setTimeout(
    () => giveUp.abort(new Error(`found no network within ${patienceMs / 1000} s`)),
    patienceMs,
  );
  const tooLong = setTimeout(() => giveUp.abort(new Error('took too long')), WHOLE_TIME_MS);
  try {
    const response = await fetch(url, { signal: giveUp.signal });
    clearTimeout(noSign);
    if (!response.ok) throw new Error(`answered ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  } catch (error) {
    const cause = error !== null && typeof error === 'object' && 'cause' in error ? error.cause : error;
    throw new Error(`${url}: ${oneLine(cause)}`, { cause: error });
  } finally {
    clearTimeout(noSign);
    clearTimeout(tooLong);
  }
}
