import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keep } from './broker-cache.ts';
import type { BrokerStep, Search } from './broker-step.ts';
import { oneLine, runCommand } from './run-command.ts';
import { BROKER_PINNED } from './version.ts';

const RELEASES = 'https://github.com/nats-io/nats-server/releases/download';
const SYSTEMS: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'linux',
  darwin: 'darwin',
  freebsd: 'freebsd',
};
const MACHINES: Partial<Record<string, string>> = {
  x64: 'amd64',
  arm64: 'arm64',
  arm: 'arm7',
  ia32: '386',
  s390x: 's390x',
  ppc64: 'ppc64le',
};
const WHOLE_TIME_MS = 300_000;

/** The release that the NATS project publishes for this platform, checked against the checksums published with it. */
export function officialRelease(releases: string = RELEASES): BrokerStep {
  return {
    does: `fetching the official release ${BROKER_PINNED} for this platform (checked against its checksums)`,
    async find(search) {
      const system = SYSTEMS[process.platform];
      const machine = MACHINES[process.arch];
      if (system === undefined || machine === undefined) {
        throw new Error(`there is no release for ${process.platform} on ${process.arch}`);
      }
      const name = `nats-server-v${BROKER_PINNED}-${system}-${machine}`;
      const base = `${releases}/v${BROKER_PINNED}`;
      return keep(search.cacheDir, async (workshop) => {
        const sums = (await get(`${base}/SHA256SUMS`, search)).toString('utf8');
        const promised = sums.split('\n').map((line) => line.trim().split(/\s+\*?/));
        const sum = promised.find(([, file]) => file === `${name}.tar.gz`)?.[0];
        if (sum === undefined) throw new Error(`${base}/SHA256SUMS does not name ${name}.tar.gz`);
        const archive = await get(`${base}/${name}.tar.gz`, search);
        const digest = createHash('sha256').update(archive).digest('hex');
        if (digest !== sum.toLowerCase()) {
          throw new Error(
            `${name}.tar.gz has the checksum ${digest}, and ${sum} was promised: it is not used`,
          );
        }
        await writeFile(join(workshop, 'release.tar.gz'), archive);
        await runCommand('tar', ['-xzf', 'release.tar.gz'], { timeoutMs: WHOLE_TIME_MS, cwd: workshop });
        return join(workshop, name, 'nats-server');
      });
    },
  };
}

async function get(url: string, { patienceMs }: Search): Promise<Buffer> {
  const controller = new AbortController();
  const noSign = setTimeout(
    () => controller.abort(new Error(`found no network within ${patienceMs / 1000} s`)),
    patienceMs,
  );
  const tooLong = setTimeout(() => controller.abort(new Error('took too long')), WHOLE_TIME_MS);
  try {
    const response = await fetch(url, { signal: controller.signal });
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
