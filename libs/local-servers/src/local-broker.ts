import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type HomeLock, lockHome } from './home-lock.ts';
import { tryPort } from './local-port.ts';
import { greetedBy } from './nats-greeting.ts';
import { endOrphan } from './orphan.ts';
import { oneLine } from './run-command.ts';
import { tieToThisProcess, type Watchdog } from './watchdog.ts';

const GiB = 1024 ** 3;
const START_MS = 30_000;
const STOP_MS = 10_000;
/** So many ends within the window, and it stays down: something is wrong that a restart does not mend. */
const RESTARTS = 5;
const RESTART_WINDOW_MS = 60_000;

export interface LocalBrokerOptions {
  /** Path of a nats-server, from `findBroker`. */
  binary: string;
  /** Data folder; made when absent. The broker keeps `nats/`, `nats.conf`, `nats.port`, `nats.pid` and `logs/nats.log` in it. */
  home: string;
  /** Default: the port of the last start, or a free one. A given port must be free. */
  port?: number;
  /** The `authorization` block of its configuration; absent: whoever reaches it may do everything. */
  authorization?: string;
  log: (line: string) => void;
  /** Called when the broker ends by itself while we live. */
  onExit?: (end: BrokerEnd) => void;
}

export interface BrokerEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** False: it has ended too often, or could not be started again, and stays down. */
  restarts: boolean;
  /** Why it stays down. */
  reason?: string;
}

export interface LocalBroker {
  /** `nats://127.0.0.1:<port>`, the same over restarts. */
  readonly url: string;
  readonly port: number;
  /** Server name, the same for every start on this home. */
  readonly name: string;
  /** undefined between an end and the restart. */
  readonly pid: number | undefined;
  /** SIGTERM, SIGKILL after 10 s; frees the home for the next start. */
  stop(): Promise<void>;
}

/**
 * The private broker of one data folder: one at a time (the folder is locked), on 127.0.0.1, every write on disk before
 * it is acknowledged. It has a process group of its own, so that Ctrl-C in a terminal reaches the services first and they
 * can drain; it ends with this process however that ends, and is started again when it ends by itself.
 * @throws Error in a line or two: the home is in use, the port is in use, or the broker does not start (with its log).
 */
export async function startLocalBroker(options: LocalBrokerOptions): Promise<LocalBroker> {
  await mkdir(join(options.home, 'logs'), { recursive: true });
  await mkdir(join(options.home, 'nats'), { recursive: true });
  const home = await realpath(options.home);
  const lock = lockHome(home);
  try {
    const orphan = await endOrphan(join(home, 'nats.pid'), join(home, 'nats.conf'));
    if (orphan !== undefined) options.log(`ended the broker of an earlier start (process ${orphan})`);
    const port = await choosePort(home, options);
    const broker = new OwnBroker({ ...options, home, port }, lock);
    await broker.configure();
    await broker.start();
    await writeWhole(join(home, 'nats.port'), String(port));
    return broker;
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function choosePort(home: string, { port, log }: LocalBrokerOptions): Promise<number> {
  if (port !== undefined) {
    const given = await tryPort(port);
    if (given === undefined) throw new Error(`port ${port} for the broker is in use`);
    return given;
  }
  const last = Number(await readFile(join(home, 'nats.port'), 'utf8').catch(() => ''));
  const again = last > 0 && last < 65_536 ? await tryPort(last) : undefined;
  if (last > 0 && again === undefined)
    log(`port ${last} of the last start is in use: the broker takes another`);
  const chosen = again ?? (await tryPort(0));
  if (chosen === undefined) throw new Error('127.0.0.1 has no free port for the broker');
  return chosen;
}

/** Somebody who reads meanwhile sees the old content or the new one. */
async function writeWhole(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content);
  await rename(`${file}.new`, file);
}

class OwnBroker implements LocalBroker {
  readonly name: string;
  readonly port: number;
  private ends: number[] = [];
  private child: ChildProcess | undefined;
  private ended: Promise<void> = Promise.resolve();
  private watchdog: Watchdog | undefined;
  private stopping = false;
  private restarting: Promise<void> = Promise.resolve();

  constructor(
    private readonly options: LocalBrokerOptions & { port: number },
    private readonly lock: HomeLock,
  ) {
    this.port = options.port;
    this.name = `runledger-${createHash('sha256').update(options.home).digest('hex').slice(0, 12)}`;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  async configure(): Promise<void> {
    const { home, authorization } = this.options;
    const lines = [
      '# Written at every start.',
      `server_name: ${JSON.stringify(this.name)}`,
      'host: 127.0.0.1',
      `port: ${this.port}`,
      `pid_file: ${JSON.stringify(join(home, 'nats.pid'))}`,
      'max_payload: 1MB',
      `log_file: ${JSON.stringify(join(home, 'logs', 'nats.log'))}`,
      'logfile_size_limit: 16MB',
      'logfile_max_num: 4',
      'jetstream {',
      `  store_dir: ${JSON.stringify(join(home, 'nats'))}`,
      '  # An acknowledgement means: on disk.',
      '  sync_interval: always',
      `  # Streams reserve their max_bytes out of this; a full disk is noticed by the broker before that.`,
      `  max_file_store: ${32 * GiB}`,
      `  max_memory_store: ${GiB / 4}`,
      '}',
      ...(authorization === undefined ? [] : [authorization]),
    ];
    await writeWhole(join(home, 'nats.conf'), `${lines.join('\n')}\n`);
  }

  async start(): Promise<void> {
    const { binary, home } = this.options;
    const output = openSync(join(home, 'logs', 'nats.log'), 'a');
    const child = spawn(binary, ['-c', join(home, 'nats.conf')], {
      detached: true,
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    if (child.pid === undefined) throw new Error(`${binary} has no process`);
    this.child = child;
    this.ended = ended;
    this.watchdog = tieToThisProcess(child.pid);
    try {
      await this.untilReady(child);
    } catch (error) {
      await this.end('SIGKILL');
      throw error;
    }
    child.once('exit', (code, signal) => this.endedByItself(code, signal));
    if (child.exitCode !== null || child.signalCode !== null)
      this.endedByItself(child.exitCode, child.signalCode);
  }

  async stop(): Promise<void> {
    if (this.stopping) return;
    this.stopping = true;
    await this.restarting;
    await this.end('SIGTERM');
    await rm(join(this.options.home, 'nats.pid'), { force: true });
    this.lock.release();
  }

  private async untilReady(child: ChildProcess): Promise<void> {
    const end = performance.now() + START_MS;
    while (performance.now() < end) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the broker ended while it was starting:\n${await this.lastLines()}`);
      }
      if (this.stopping) throw new Error('stopped while it was starting');
      const name = await greetedBy(this.port);
      if (name === this.name) return;
      if (name !== undefined) throw new Error(`another nats-server (${name}) holds ${this.url}`);
      await pause(50);
    }
    throw new Error(
      `the broker does not answer on ${this.url} after ${START_MS / 1000} s:\n${await this.lastLines()}`,
    );
  }

  private async lastLines(): Promise<string> {
    const log = join(this.options.home, 'logs', 'nats.log');
    const text = await readFile(log, 'utf8').catch(() => '');
    return `${text.trimEnd().split('\n').slice(-8).join('\n')}\n(${log})`;
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.child;
    if (child === undefined) return;
    child.kill(signal);
    const lastResort = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await this.ended;
    clearTimeout(lastResort);
    this.watchdog?.dismiss();
    this.child = undefined;
  }

  private endedByItself(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.stopping || this.child === undefined) return;
    this.child = undefined;
    this.watchdog?.dismiss();
    this.options.log(`the broker has ended by itself (${signal ?? `code ${code}`})`);
    const recent = this.countEnd();
    const reason =
      recent > RESTARTS ? `it has ended ${recent} times within ${RESTART_WINDOW_MS / 1000} s` : undefined;
    if (reason !== undefined) return this.staysDown({ code, signal }, reason);
    this.options.onExit?.({ code, signal, restarts: true });
    this.restarting = this.restart({ code, signal });
  }

  /** Tries until it answers or the bound is reached: a start that fails counts like an end. */
  private async restart(end: Pick<BrokerEnd, 'code' | 'signal'>): Promise<void> {
    for (let attempt = this.ends.length; ; attempt = this.countEnd()) {
      await pause(Math.min(50 * 2 ** attempt, 5000));
      if (this.stopping) return;
      try {
        await this.start();
        return this.options.log(`the broker answers again on ${this.url}`);
      } catch (error) {
        const reason = oneLine(error);
        if (attempt >= RESTARTS) return this.staysDown(end, error instanceof Error ? error.message : reason);
        this.options.log(`the broker does not start again yet: ${reason}`);
      }
    }
  }

  private staysDown(end: Pick<BrokerEnd, 'code' | 'signal'>, reason: string): void {
    this.options.log(`the broker stays down: ${reason}`);
    this.options.onExit?.({ ...end, restarts: false, reason });
  }

  /** Notes an end, and gives how many there were within the window. */
  private countEnd(): number {
    const now = performance.now();
    this.ends = [...this.ends.filter((at) => now - at < RESTART_WINDOW_MS), now];
    return this.ends.length;
  }
}
