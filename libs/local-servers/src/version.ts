import { runCommand } from './run-command.ts';

/** The oldest nats-server that has what the run log needs (DESIGN: several events in one fenced append, republish). */
export const BROKER_FLOOR = '2.14.5';
/** The version that the download and the Go toolchain steps fetch. */
export const BROKER_PINNED = '2.15.1';

/**
 * Asks a nats-server binary for its version, such as `2.15.1`.
 * @throws Error in one line when the file cannot be run or does not answer like a nats-server within 10 s.
 */
export async function brokerVersion(binary: string): Promise<string> {
  const answer = await runCommand(binary, ['--version'], { timeoutMs: 10_000 });
  const version = /nats-server: v(\d+\.\d+\.\d+\S*)/.exec(answer)?.[1];
  if (version === undefined) throw new Error(`${binary} does not answer like a nats-server`);
  return version;
}

/** @throws Error in one line when the binary does not run or is below the floor. */
export async function accepted(path: string): Promise<{ path: string; version: string }> {
  const version = await brokerVersion(path);
  if (!atLeast(version, BROKER_FLOOR)) {
    throw new Error(`${path} is version ${version}, below the floor ${BROKER_FLOOR}`);
  }
  return { path, version };
}

/** True when `version` is at or above `floor`; a pre-release (`2.14.5-RC.1`) is below its release. */
export function atLeast(version: string, floor: string): boolean {
  const [numbers = '', preRelease] = version.split(/-(.*)/s);
  const have = numbers.split('.').map(Number);
  for (const [place, wanted] of floor.split('.').map(Number).entries()) {
    const had = have[place] ?? 0;
    if (had !== wanted) return had > wanted;
  }
  return preRelease === undefined;
}
