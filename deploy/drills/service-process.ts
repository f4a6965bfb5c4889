import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freePort, waitFor } from '@runledger/testkit';
import { tieToThisProcess, type Watchdog } from '@runledger/local-servers';

const ROOT = join(import.meta.dirname, '..', '..');
const READY_MS = 120_000;

export interface Placement {
  /** The network namespace it runs in; absent: ours. */
  namespace?: string;
  /** The address at which it is asked whether it is ready. */
  host?: string;
}

/** One service as a process of its own, as operators run it. It never outlives the drill. */
export class ServiceProcess {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  readonly #placement: Placement;
  #child: ChildProcess | undefined;
  #watchdog: Watchdog | undefined;
  #opsPort = 0;
  #output = '';
  readonly #unexpected: string[] = [];
  #ending = false;

  constructor(name: string, env: Record<string, string>, placement: Placement = {}) {
    this.name = name;
    this.env = env;
    this.#placement = placement;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Exits that no drill asked for: with which code or by which signal. */
  get unexpectedExits(): readonly string[] {
    return this.#unexpected;
  }

  /** The end of what it wrote, all of its lives. */
  get output(): string {
    return this.#output;
  }

  get runs(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async start(): Promise<void> {
    this.#opsPort = await freePort();
    this.#ending = false;
    const program = [
      process.execPath,
      '--enable-source-maps',
      join(ROOT, 'services', this.name, 'dist', 'main.js'),
    ];
    const { namespace } = this.#placement;
    const [file = '', ...args] =
      namespace === undefined ? program : ['nsenter', `--net=/run/netns/${namespace}`, ...program];
    const child = spawn(file, args, {
      env: { PATH: process.env['PATH'], ...this.env, RUNLEDGER_OPS_PORT: String(this.#opsPort) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on(
        'data',
        (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-100_000)),
      );
    child.once('exit', (code, signal) => {
      if (this.#child !== child || this.#ending) return;
      this.#unexpected.push(String(code ?? signal));
      console.error(`${this.name} has ended by itself (${code ?? signal}):\n${this.#output.slice(-2_000)}`);
    });
    this.#child = child;
    if (child.pid !== undefined) this.#watchdog = tieToThisProcess(child.pid);
  }

  async ready(): Promise<void> {
    await waitFor(
      async () => {
        if (!this.runs) throw new Error(`${this.name} has ended`);
        return (await this.ask('/readyz')) === 200;
      },
      {
        timeoutMs: READY_MS,
        everyMs: 100,
        describe: () => `${this.name} to be ready: ${this.#output.slice(-2_000)}`,
      },
    );
  }

  /** The status of one of its own routes; 0 when it does not answer within a second. */
  async ask(path: string): Promise<number> {
    const host = this.#placement.host ?? '127.0.0.1';
    try {
      const answer = await fetch(`http://${host}:${this.#opsPort}${path}`, {
        signal: AbortSignal.timeout(1_000),
      });
      await answer.arrayBuffer();
      return answer.status;
    } catch {
      return 0;
    }
  }

  /** The name under which it is in the log and at the broker, as it says itself. */
  async instance(): Promise<string> {
    const host = this.#placement.host ?? '127.0.0.1';
    const answer = await fetch(`http://${host}:${this.#opsPort}/healthz`);
    return ((await answer.json()) as { instance: string }).instance;
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || !this.runs) return;
    this.#ending = true;
    this.#watchdog?.dismiss();
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}
