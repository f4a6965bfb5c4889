import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs a program of the system to its end and answers what it printed. Throws with its message when it fails. */
export async function command(name: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(name, args, { timeout: 60_000, maxBuffer: 2 ** 24 });
  return stdout.trim();
}
