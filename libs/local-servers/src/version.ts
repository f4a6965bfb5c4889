import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The oldest nats-server that has what the run log needs (atomic commits of several messages, stamps per subject). */
export const BROKER_FLOOR = '2.14.5';
/** The version that the download and the Go toolchain steps fetch. */
export const BROKER_PINNED = '2.15.1';

/**
 * Asks a nats-server binary for its version, such as `2.15.1`.
 * @throws Error in one line when the file cannot be run or does not answer like a nats-server within 5 s.
 */
export async function brokerVersion(binary: string): Promise<string> {
  let answer: string;
  try {
    answer = (await run(binary, ['--version'], { timeout: 5000 })).stdout;
  } catch (error) {
    throw new Error(`${binary} cannot be run (${firstLine(error)})`);
  }
  const version = /nats-server: v(\d+\.\d+\.\d+\S*)/.exec(answer)?.[1];
  if (version === undefined) throw new Error(`${binary} does not answer like a nats-server`);
  return version;
}

/** True when `version` is at or above `floor`; a pre-release (`2.14.5-RC.1`) is below its release. */
export function atLeast(version: string, floor: string): boolean {
  const [numbers = '', preRelease] = version.split(/-(.*)/s);
  const have = numbers.split('.').map(Number);
  const want = floor.split('.').map(Number);
  for (const [place, wanted] of want.entries()) {
    const had = have[place] ?? 0;
    if (had !== wanted) return had > wanted;
  }
  return preRelease === undefined;
}

export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n').find((line) => line.trim() !== '') ?? 'no reason given';
}
