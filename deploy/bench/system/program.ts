import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { tieToThisProcess, type Watchdog } from '@runledger/local-servers';

export const ROOT = join(import.meta.dirname, '..', '..', '..');

/** A program of the product as a process of its own, as operators run it. */
export class Program {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #watchdog: Watchdog;
  #output = '';

  /** `env` is all that it gets besides PATH. It ends with the bench, however that ends; then its data folder goes too. */
  constructor(name: string, script: string, env: Record<string, string>) {
    this.name = name;
    const extra = process.env['RUNLEDGER_BENCH_NODE_FLAGS']?.split(' ').filter((flag) => flag !== '') ?? [];
    this.#child = spawn(process.execPath, [...extra, '--enable-source-maps', join(ROOT, script)], {
      cwd: ROOT,
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#watchdog = tieToThisProcess(this.pid, env['RUNLEDGER_HOME']);
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on(
        'data',
        (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-20_000)),
      );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The last of what it wrote. */
  get output(): string {
    return this.#output;
  }

  /** An error with its output when it has ended. */
  failure(): Error | undefined {
    if (this.#child.exitCode === null && this.#child.signalCode === null) return undefined;
    return new Error(`${this.name} has ended: ${this.#output.slice(-2_000)}`);
  }

  /** SIGTERM, and SIGKILL when that takes too long. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const lastResort = setTimeout(() => this.#child.kill('SIGKILL'), 15_000);
    await ended;
    clearTimeout(lastResort);
    this.#watchdog.dismiss();
  }
}
