import { Cleanup } from './cleanup.ts';
import { LoopDisk } from './loop-disk.ts';
import { Namespace } from './namespace.ts';

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
  const cleanup = new Cleanup();
  try {
    const namespace = await Namespace.make(cleanup);
    await namespace.pull();
  } finally {
    await cleanup.run();
  }
}
