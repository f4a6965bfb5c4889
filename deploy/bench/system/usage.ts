import { readdir, readFile } from 'node:fs/promises';

/** Of /proc/<pid>/stat on Linux. */
const TICKS_PER_SECOND = 100;

/** Processor time of these processes so far, in milliseconds, their children excluded. */
export async function cpuMs(pids: readonly number[]): Promise<number> {
  const each = await Promise.all(
    pids.map(async (pid) => {
      const fields = afterName(await readFile(`/proc/${pid}/stat`, 'utf8'));
      return Number(fields[11]) + Number(fields[12]);
    }),
  );
  return (each.reduce((sum, ticks) => sum + ticks, 0) * 1_000) / TICKS_PER_SECOND;
}

/** Resident memory of a process and everything that it has started, in MiB. */
export async function treeMib(root: number): Promise<number> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const text = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => undefined);
    if (text !== undefined) parents.set(Number(name), Number(afterName(text)[1]));
  }
  const tree = new Set([root]);
  for (let grown = 0; grown !== tree.size;) {
    grown = tree.size;
    for (const [pid, parent] of parents) if (tree.has(parent)) tree.add(pid);
  }
  const each = await Promise.all([...tree].map(residentMib));
  return each.reduce((sum, mib) => sum + mib, 0);
}

/** Resident memory of one process, in MiB; 0 when it is gone. */
export async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
}

/** The fields after the name, which may hold spaces: state, ppid, ... */
const afterName = (stat: string): string[] => stat.slice(stat.lastIndexOf(')') + 2).split(' ');
