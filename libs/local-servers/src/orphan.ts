import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { runCommand } from './run-command.ts';

/**
 * Ends the process whose pid is in `pidFile` when its command line names `configuration`, the file that only the broker
 * of this home is started with: a pid alone may belong to anybody by now.
 * @returns the pid that was ended, or undefined when there was none.
 * @throws Error when it does not end, even by SIGKILL.
 */
export async function endOrphan(pidFile: string, configuration: string): Promise<number | undefined> {
  const pid = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  if (!Number.isSafeInteger(pid) || pid <= 1) return undefined;
  const isOurs = async (): Promise<boolean> => (await commandLine(pid)).includes(configuration);
  if (!(await isOurs())) return undefined;
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    process.kill(pid, signal);
    const end = performance.now() + 5000;
    while (performance.now() < end) {
      if (!(await isOurs())) return pid;
      await pause(50);
    }
  }
  throw new Error(`the broker of an earlier start (process ${pid}) does not end`);
}

/** Empty when there is no such process. */
async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    return readFile(`/proc/${pid}/cmdline`, 'utf8').then(
      (words) => words.replaceAll('\0', ' '),
      () => '',
    );
  }
  return runCommand('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { timeoutMs: 5000 }).catch(() => '');
}
