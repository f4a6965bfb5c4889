import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { tryPort } from './local-port.ts';
import { mongoAnswers } from './mongo-greeting.ts';
import type { MongoBinary } from './mongo-step.ts';
import { tieToThisProcess, type Watchdog } from './watchdog.ts';

export interface StartMongoOptions {
  binary: MongoBinary;
  /** Absolute; made when it is not there. Data stays in it. */
  folder: string;
  /** Default: a free one. */
  port?: number;
  /** The folder is removed when this process ends without having ended the server. */
  disposable?: boolean;
}

export interface RunningMongo {
  /** `mongodb://127.0.0.1:<port>/` */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** The newest of what it wrote to stdout and stderr. */
  output(): string;
  /** By default SIGKILL; waits for the end. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

const START_MS = 60_000;

/**
 * A MongoDB server of the caller's own on 127.0.0.1, which ends with the caller's process. Resolves when it answers.
 * What it has acknowledged outlives its own kill; a power cut it need not outlive.
 */
export async function startMongo(options: StartMongoOptions): Promise<RunningMongo> {
  const port = options.port ?? (await tryPort(0));
  if (port === undefined) throw new Error('no free port was given');
  await mkdir(join(options.folder, 'data'), { recursive: true });
  const child = spawn(options.binary.path, argumentsOf(options, port), {
    cwd: options.folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const server = new Mongo(child, port, options.disposable ? options.folder : undefined);
  await server.untilReady(options.binary.path);
  return server;
}

function argumentsOf({ binary, folder }: StartMongoOptions, port: number): string[] {
  const data = join(folder, 'data');
  if (binary.kind === 'mongod')
    return ['--dbpath', data, '--port', String(port), '--bind_ip', '127.0.0.1', '--nounixsocket', '--quiet'];
  return [
    '--handler=sqlite',
    `--sqlite-url=file:${encodeURI(data)}/?_pragma=synchronous(normal)`,
    `--listen-addr=127.0.0.1:${port}`,
    '--debug-addr=-',
    '--telemetry=disable',
    `--state-dir=${folder}`,
    '--log-level=warn',
  ];
}

class Mongo implements RunningMongo {
  readonly url: string;
  readonly port: number;
  private readonly child: ChildProcess;
  private readonly ended: Promise<void>;
  private readonly failed: Promise<Error>;
  private readonly watchdog: Watchdog | undefined;
  private lines = '';

  constructor(child: ChildProcess, port: number, folder: string | undefined) {
    this.child = child;
    this.port = port;
    this.url = `mongodb://127.0.0.1:${port}/`;
    const keep = (chunk: Buffer): void => void (this.lines = (this.lines + chunk.toString()).slice(-100_000));
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    this.ended = new Promise((resolve) => child.once('exit', () => resolve()));
    this.failed = new Promise((resolve) => child.once('error', resolve));
    this.watchdog = child.pid === undefined ? undefined : tieToThisProcess(child.pid, folder);
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the MongoDB server has no process');
    return this.child.pid;
  }

  output(): string {
    return this.lines;
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.child.pid === undefined) return;
    this.child.kill(signal);
    await this.ended;
    this.watchdog?.dismiss();
  }

  async untilReady(path: string): Promise<void> {
    if (this.child.pid === undefined) throw await this.failed;
    const end = performance.now() + START_MS;
    while (performance.now() < end) {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`${path} ended while it was starting:\n${this.lines.slice(-3000)}`);
      if (await mongoAnswers(this.port)) return;
      await pause(50);
    }
    await this.end();
    throw new Error(`${path} does not answer after ${START_MS / 1000} s:\n${this.lines.slice(-3000)}`);
  }
}
