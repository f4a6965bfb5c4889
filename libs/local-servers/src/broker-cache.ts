import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BrokerStep } from './broker-step.ts';
import { oneLine } from './run-command.ts';
import { accepted, atLeast } from './version.ts';

const HOUR_MS = 3_600_000;
const shelf = (cacheDir: string): string => join(cacheDir, 'nats-server');

/** The newest fetched nats-server that runs and is at or above the floor. */
export const cached: BrokerStep = {
  does: 'looking for a fetched nats-server',
  async find({ cacheDir }) {
    const folder = shelf(cacheDir);
    const names = await readdir(folder).catch(() => []);
    const versions = names
      .filter((name) => /^\d+\.\d+\.\d+/.test(name))
      .sort((a, b) => (atLeast(a, b) ? -1 : 1));
    const reasons: string[] = [];
    for (const version of versions) {
      try {
        return await accepted(join(folder, version, 'nats-server'));
      } catch (error) {
        reasons.push(oneLine(error));
      }
    }
    throw new Error(reasons.length > 0 ? reasons.join(', ') : `${folder} has none`);
  },
};

/**
 * Gives `fetch` an empty folder of its own inside the cache to work in, checks the binary whose path it hands back, and
 * puts it on the shelf with one rename: two processes that fetch at once both end with a whole binary.
 */
export async function keep(
  cacheDir: string,
  fetch: (workshop: string) => Promise<string>,
): Promise<{ path: string; version: string }> {
  await mkdir(shelf(cacheDir), { recursive: true });
  await sweep(cacheDir);
  const workshop = await mkdtemp(join(shelf(cacheDir), 'fetching-'));
  try {
    const fetched = await fetch(workshop);
    const packed = await mkdtemp(join(workshop, 'packed-'));
    await copyFile(fetched, join(packed, 'nats-server'));
    await chmod(join(packed, 'nats-server'), 0o755);
    await chmod(packed, 0o755);
    const { version } = await accepted(join(packed, 'nats-server'));
    const place = join(shelf(cacheDir), version);
    await rename(packed, place).catch(() => replaceOrLeave(packed, place));
    return await accepted(join(place, 'nats-server'));
  } finally {
    await rm(workshop, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Somebody else has put the same version there. It stays if it is whole; a broken one makes room. */
async function replaceOrLeave(packed: string, place: string): Promise<void> {
  const whole = await accepted(join(place, 'nats-server')).then(
    () => true,
    () => false,
  );
  if (whole) return;
  await rename(place, join(packed, '..', 'broken')).catch(() => undefined);
  await rename(packed, place);
}

/** Removes what a killed fetch has left behind. */
async function sweep(cacheDir: string): Promise<void> {
  const folder = shelf(cacheDir);
  for (const name of await readdir(folder)) {
    if (!name.startsWith('fetching-')) continue;
    const left = await stat(join(folder, name)).catch(() => undefined);
    if (left !== undefined && Date.now() - left.mtimeMs > HOUR_MS) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}
