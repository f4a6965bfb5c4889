import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { lockHome, type HomeLock } from './home-lock.ts';
import { oneLine } from './run-command.ts';

/** Longest wait for another process that fetches the same program. */
const WAIT_MS = 20 * 60_000;

/** Where a shelf has its program. */
export const onShelfIn = (folder: string): string => join(folder, 'program');

/**
 * One fetched or built program of the cache. The shelf is locked while somebody makes it, with a lock that ends with
 * its holder, and what was made is put there with one rename: nobody makes it twice, and nobody sees half of it.
 */
export async function onShelf<T>(
  folder: string,
  parts: {
    /** @throws Error when the shelf has no program that runs. */
    accept: (place: string) => Promise<T>;
    /** Makes the program in an empty folder and gives the folder to be put on the shelf, which it is part of. */
    make: (workshop: string) => Promise<string>;
    log: (line: string) => void;
  },
): Promise<T> {
  const place = onShelfIn(folder);
  const ready = await parts.accept(place).catch(() => undefined);
  if (ready !== undefined) return ready;
  await mkdir(folder, { recursive: true });
  const lock = await shelfLock(folder, parts.log);
  try {
    const meanwhile = await parts.accept(place).catch(() => undefined);
    if (meanwhile !== undefined) return meanwhile;
    await sweep(folder);
    const workshop = await mkdtemp(join(folder, 'making-'));
    try {
      const made = await parts.make(workshop);
      await parts.accept(made);
      await rm(place, { recursive: true, force: true });
      await rename(made, place);
      return await parts.accept(place);
    } finally {
      await rm(workshop, { recursive: true, force: true, maxRetries: 3 });
    }
  } finally {
    lock.release();
  }
}

async function shelfLock(folder: string, log: (line: string) => void): Promise<HomeLock> {
  const end = performance.now() + WAIT_MS;
  for (let told = false; ; told = true) {
    try {
      return lockHome(folder);
    } catch (error) {
      if (!oneLine(error).includes('is in use by') || performance.now() >= end) throw error;
      if (!told) log('MongoDB server: another process is fetching it; waiting for that');
      await pause(250);
    }
  }
}

/** Removes what a killed holder of the lock has left behind. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (name.startsWith('making-')) await rm(join(folder, name), { recursive: true, force: true });
}
