import { spawn } from 'node:child_process';

export interface RunCommandOptions {
  /** Milliseconds until it is killed. */
  timeoutMs: number;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Aborted: killed at once, with the signal's reason as the error. */
  signal?: AbortSignal;
}

/**
 * Runs a program without a shell and gives its stdout.
 * @throws Error in one line: not there, killed after the time, aborted, or its exit code with its last line of stderr.
 */
export async function runCommand(
  command: string,
  args: string[],
  options: RunCommandOptions,
): Promise<string> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: options.env ?? process.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let out = '';
  let wrong = '';
  let ending: string | undefined;
  child.stdout.on('data', (chunk: Buffer) => void (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => void (wrong = (wrong + chunk.toString()).slice(-8000)));
  const end = (why: string): void => {
    ending ??= why;
    child.kill('SIGKILL');
  };
  const timer = setTimeout(() => end(`gave up after ${options.timeoutMs / 1000} s`), options.timeoutMs);
  const aborted = (): void => end(oneLine(options.signal?.reason));
  options.signal?.addEventListener('abort', aborted);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code === 0 && ending === undefined) return out;
    throw new Error(`${command} ${ending ?? `ended with ${code}: ${lastLine(wrong) || lastLine(out)}`}`);
  } catch (error) {
    if (typeof error === 'object' && error !== null && 'code' in error) {
      throw new Error(`${command} cannot be run (${String(error.code)})`, { cause: error });
    }
    throw error;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', aborted);
  }
}

/** The first line that says something. */
export function oneLine(error: unknown): string {
  const text = typeof error === 'object' && error !== null && 'message' in error ? error.message : error;
  const lines = String(text).split('\n');
  return lines.find((line) => line.trim() !== '') ?? 'no reason given';
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? '';
}
