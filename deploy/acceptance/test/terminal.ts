import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { waitFor } from '@runledger/testkit';
import { ROOT } from './service-process.ts';

const COMMAND_MS = 60_000;

/** A shell in the repository, with a process group of its own, as a terminal has it. */
export class Terminal {
  readonly #shell: ChildProcessWithoutNullStreams;
  #output = '';
  #commands = 0;
  #closed = false;

  constructor(env: NodeJS.ProcessEnv) {
    this.#shell = spawn('bash', ['--noprofile', '--norc'], { cwd: ROOT, detached: true, env });
    for (const stream of [this.#shell.stdout, this.#shell.stderr])
      stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    // Of its pipes: everybody who could write to it is gone then, and not the shell alone.
    this.#shell.once('close', () => (this.#closed = true));
    this.#shell.stdin.on('error', () => undefined);
    this.#shell.stdin.write('exec 2>&1\n');
  }

  /** Everything since the terminal was opened, without what npm has to say about its own settings. */
  get output(): string {
    return withoutNpmWarnings(this.#output);
  }

  /** Nothing runs in it any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Types one line and waits for its end. */
  async type(line: string): Promise<{ output: string; exit: number }> {
    const end = `end-of-command-${++this.#commands}`;
    const from = this.#output.length;
    // Commands must not read the lines that come after them. Braces keep the variables that a line sets.
    this.#shell.stdin.write(`{\n${line}\n} </dev/null\nprintf '\\n%s %d\\n' ${end} $?\n`);
    const ended = new RegExp(`\\n${end} (\\d+)\\n`);
    const match = await waitFor(() => ended.exec(this.#output.slice(from)), {
      timeoutMs: COMMAND_MS,
      describe: () => `the end of "${line}": ${this.#output.slice(from).slice(-2_000)}`,
    });
    const output = this.#output.slice(from, from + match.index);
    return { output: withoutNpmWarnings(output), exit: Number(match[1]) };
  }

  /** Types a line that stays in the foreground. */
  leave(line: string): void {
    this.#shell.stdin.write(`exec ${line} </dev/null\n`);
  }

  /** Closes the window: everything that runs in it is told so. */
  close(): Promise<void> {
    return this.signal('SIGHUP');
  }

  /** Sends a signal to everything that runs in it, as the terminal sends Ctrl-C, and waits until nothing runs in it. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    if (this.#shell.pid === undefined || this.#closed) return;
    const closed = once(this.#shell, 'close');
    try {
      process.kill(-this.#shell.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
    await closed;
  }
}

const withoutNpmWarnings = (text: string): string => text.replaceAll(/^npm warn .*\n/gm, '');
