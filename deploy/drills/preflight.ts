import { mkdir, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command } from './command.ts';
import { LoopDisk } from './loop-disk.ts';

/** `loop`: root and loop mounts of ext4. `namespaces`: root, network namespaces and veth pairs. */
export type Need = 'loop' | 'namespaces';

const looks: Record<Need, () => Promise<void>> = { loop: lookAtLoop, namespaces: lookAtNamespaces };
const found = new Map<Need, Promise<string | undefined>>();

/** Why this machine does not have it; undefined when it does. Tried out once, not guessed. */
export function missing(need: Need): Promise<string | undefined> {
  const known = found.get(need) ?? tryOut(need);
  found.set(need, known);
  return known;
}

async function tryOut(need: Need): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'it needs root';
  try {
    await looks[need]();
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[0] ?? error.message) : String(error);
  }
}

async function lookAtLoop(): Promise<void> {
  const disk = await LoopDisk.make(16);
  await disk.remove();
}

async function lookAtNamespaces(): Promise<void> {
  const name = `rl-look-${process.pid}`;
  await mkdir(join(tmpdir(), name));
  try {
    await command('ip', 'netns', 'add', name);
    try {
      await command(
        'ip',
        'link',
        'add',
        `rl${process.pid % 10_000}a`,
        'type',
        'veth',
        'peer',
        'name',
        'rl-look-b',
      );
      await command('ip', 'link', 'del', `rl${process.pid % 10_000}a`);
    } finally {
      await command('ip', 'netns', 'del', name);
    }
  } finally {
    await rmdir(join(tmpdir(), name));
  }
}
