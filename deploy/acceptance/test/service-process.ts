import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freePort, waitFor } from '@runledger/testkit';

export const ROOT = join(import.meta.dirname, '..', '..', '..');

/** One service as a process of its own, as operators run it. */
export class ServiceProcess {
  #child: ChildProcess | undefined;
  #output = '';
  #opsPort = 0;

  constructor(
    readonly name: string,
    private readonly env: Record<string, string>,
  ) {}

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Where it answers for its health, of the current process. */
  get opsUrl(): string {
    return `http://127.0.0.1:${this.#opsPort}`;
  }

  get runs(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it wrote, all of its lives. */
  get output(): string {
    return this.#output;
  }

  async start(): Promise<void> {
    this.#opsPort = await freePort();
    const child = spawn(
      process.execPath,
      ['--enable-source-maps', join(ROOT, 'services', this.name, 'dist', 'main.js')],
      {
        env: { PATH: process.env['PATH'], ...this.env, RUNLEDGER_OPS_PORT: String(this.#opsPort) },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    this.#child = child;
  }

  async ready(): Promise<void> {
    await waitFor(
      async () => {
        if (this.#child?.exitCode !== null)
          throw new Error(`${this.name} ended: ${this.#output.slice(-2_000)}`);
        return (await fetch(`${this.opsUrl}/readyz`)).ok;
      },
      {
        timeoutMs: 120_000,
        everyMs: 50,
        describe: () => `${this.name} to be ready: ${this.#output.slice(-2_000)}`,
      },
    );
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    return child.exitCode;
  }
}
