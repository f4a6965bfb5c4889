/**
 * Owns: what process groups use, as /proc shows it. Where there is no /proc nothing is seen, and nothing is limited.
 *
 * 1. The leader and what it started are looked at often, for what grows quickly; all of the machine's processes now and
 *    then, for those of the group that have lost their parent.
 * 2. A process that left the group and has lost its parent is not seen.
 */
import { readdirSync, readFileSync } from 'node:fs';

export interface GroupLimits {
  /** Memory of all processes together that is not of files. */
  bytes: number;
  processes: number;
}

export interface GroupUse {
  bytes: number;
  processes: number;
}

const TREE_EVERY_MS = 250;
/** Looks at trees for one at everything. */
const ALL_EVERY = 8;

interface Watched {
  limits: GroupLimits;
  onBreach: (what: string) => void;
}

class GroupWatch {
  readonly #watched = new Map<number, Watched>();
  #timer: NodeJS.Timeout | undefined;
  #looks = 0;

  /** Calls `onBreach` at most once, with what the group uses too much of. Gives what ends the watch. */
  add(group: number, limits: GroupLimits, onBreach: (what: string) => void): () => void {
    this.#watched.set(group, { limits, onBreach });
    this.#timer ??= setInterval(() => this.#look(), TREE_EVERY_MS).unref();
    return () => this.#remove(group);
  }

  #remove(group: number): void {
    this.#watched.delete(group);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    this.#looks += 1;
    const isWhole = this.#looks % ALL_EVERY === 0;
    const groups = isWhole ? groupsUse(new Set(this.#watched.keys())) : undefined;
    for (const [group, { limits, onBreach }] of this.#watched) {
      const breach = breachOf(larger(treeUse(group), groups?.get(group)), limits);
      if (breach === undefined) continue;
      this.#remove(group);
      onBreach(breach);
    }
  }
}

/** Of every agent's process of this program. */
export const groupWatch = new GroupWatch();

function breachOf({ bytes, processes }: GroupUse, limits: GroupLimits): string | undefined {
  if (bytes > limits.bytes) return `it used more than ${limits.bytes / 2 ** 20} MiB of memory`;
  if (processes > limits.processes) return `it had more than ${limits.processes} processes`;
  return undefined;
}

const larger = (tree: GroupUse, group: GroupUse | undefined): GroupUse => ({
  bytes: Math.max(tree.bytes, group?.bytes ?? 0),
  processes: Math.max(tree.processes, group?.processes ?? 0),
});

/** A process with its children and theirs. */
function treeUse(pid: number): GroupUse {
  const children = textOf(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean);
  return children
    .map((child) => treeUse(Number(child)))
    .reduce((sum, use) => ({ bytes: sum.bytes + use.bytes, processes: sum.processes + use.processes }), {
      bytes: memoryOf(pid),
      processes: 1,
    });
}

/** What these groups use, of those that have processes. */
export function groupsUse(wanted: ReadonlySet<number>): Map<number, GroupUse> {
  const found = new Map<number, GroupUse>();
  for (const name of entriesOf('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const group = groupOf(pid);
    if (group === undefined || !wanted.has(group)) continue;
    const use = found.get(group) ?? { bytes: 0, processes: 0 };
    found.set(group, { bytes: use.bytes + memoryOf(pid), processes: use.processes + 1 });
  }
  return found;
}

/** Undefined for a process that is gone, or has ended and is not waited for. */
function groupOf(pid: number): number | undefined {
  const text = textOf(`/proc/${pid}/stat`);
  // The name of the program stands in brackets, and may hold anything.
  const [state, , group] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || group === undefined ? undefined : Number(group);
}

function memoryOf(pid: number): number {
  const text = textOf(`/proc/${pid}/status`);
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
  return (kib('RssAnon') + kib('RssShmem')) * 1024;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function entriesOf(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
