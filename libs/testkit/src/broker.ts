import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder, findBroker, tieToThisProcess, type Watchdog } from '@runledger/local-servers';
import { connect, type NodeConnectionOptions } from '@nats-io/transport-node';
import { temporaryFolder } from './temporary-folder.ts';
import { waitFor } from './wait-for.ts';

export interface TestBrokerOptions {
  /** Every write reaches the disk before it is acknowledged; default true. */
  syncAlways?: boolean;
  /** Default: a folder of its own. A given folder is left alone by `stop()`. */
  storeDir?: string;
  /** Default: a free one, chosen by the broker. */
  port?: number;
  /** The most bytes that JetStream may reserve on disk; default 64 GiB, so that every stream's max_bytes fits. */
  maxFileStore?: number;
  /** How long a start may take; default 10,000 ms. */
  startTimeoutMs?: number;
  /** Further lines of nats-server configuration, outside of the jetstream block. */
  config?: string;
  /** How to connect where `config` asks for more than a URL: the look whether JetStream answers does so. */
  access?: Pick<NodeConnectionOptions, 'user' | 'pass' | 'tls'>;
}

export interface TestBroker {
  /** `nats://127.0.0.1:<port>`, the same after a restart. */
  readonly url: string;
  readonly port: number;
  /** Unique server name; already checked against the one that answers. */
  readonly name: string;
  /** Of the current process; changes with a restart. */
  readonly pid: number;
  readonly storeDir: string;
  /** What the broker wrote to stdout and stderr, all of its lives. */
  output(): string;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
  /** The same port and store; kills first if it still runs. Waits until JetStream answers. */
  restart(): Promise<void>;
  /** Freezes the process (SIGSTOP): connections stay open and silent. */
  pause(): void;
  resume(): void;
  /** Kills and removes what startBroker made. */
  stop(): Promise<void>;
}

interface Life {
  child: ChildProcess;
  ended: Promise<void>;
  watchdog: Watchdog;
}

/** Waiting longer cannot help. */
class Wrong {
  constructor(readonly what: string) {}
}

class RealBroker implements TestBroker {
  readonly name = `test-${randomBytes(8).toString('hex')}`;
  port = 0;
  private life: Life | undefined;
  private lines = '';

  constructor(
    private readonly binary: string,
    private readonly folder: string,
    readonly storeDir: string,
    private readonly options: TestBrokerOptions,
    private readonly removeFolder: () => Promise<void>,
  ) {}

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    const pid = this.life?.child.pid;
    if (pid === undefined) throw new Error(`broker ${this.name} does not run`);
    return pid;
  }

  output(): string {
    return this.lines;
  }

  async start(): Promise<void> {
    const pinned = this.port !== 0 || this.options.port !== undefined;
    if (pinned && this.port === 0) this.port = this.options.port ?? 0;
    const config = join(this.folder, 'nats.conf');
    await writeFile(config, this.configuration());
    const where = pinned ? ['-p', String(this.port)] : ['-p', '-1', '--ports_file_dir', this.folder];
    await this.spawn(['-c', config, ...where]);
    try {
      if (!pinned) this.port = await this.untilIt('tells its port', () => this.portFromFile());
      await this.untilIt<boolean>('answers for JetStream', () => this.answers());
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  async kill(): Promise<void> {
    const life = this.life;
    if (life === undefined) return;
    this.life = undefined;
    life.watchdog.dismiss();
    life.child.kill('SIGKILL');
    await life.ended;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  async stop(): Promise<void> {
    await this.kill();
    await this.removeFolder();
  }

  private configuration(): string {
    const { syncAlways = true, maxFileStore = 64 * 1024 ** 3, config = '' } = this.options;
    const sync = syncAlways ? 'sync_interval: always' : '';
    return [
      `server_name: ${JSON.stringify(this.name)}`,
      'host: 127.0.0.1',
      `jetstream { store_dir: ${JSON.stringify(this.storeDir)}, max_file_store: ${maxFileStore}\n ${sync} }`,
      config,
    ].join('\n');
  }

  private async spawn(args: string[]): Promise<void> {
    const child = spawn(this.binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk: Buffer): void => void (this.lines = (this.lines + chunk.toString()).slice(-200_000));
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    if (child.pid === undefined) throw new Error(`${this.binary} has no process`);
    this.life = { child, ended, watchdog: tieToThisProcess(child.pid, this.folder) };
  }

  /** Waits as long as the process lives; a process that ends by itself, or another server on our port, is told at once. */
  private async untilIt<T>(does: string, attempt: () => Promise<T | Wrong | undefined | false>): Promise<T> {
    const found = await waitFor<T | Wrong>(
      async () => {
        if (this.life?.child.exitCode !== null || this.life.child.signalCode !== null)
          return new Wrong('ended by itself');
        return attempt();
      },
      {
        timeoutMs: this.options.startTimeoutMs ?? 10_000,
        describe: () => `broker ${this.name} ${does}; it wrote:\n${this.lines.slice(-3000)}`,
      },
    );
    if (found instanceof Wrong)
      throw new Error(`broker ${this.name} ${found.what}; it wrote:\n${this.lines.slice(-3000)}`);
    return found;
  }

  private async portFromFile(): Promise<number | undefined> {
    const file = (await readdir(this.folder)).find((name) => name.endsWith(`_${this.pid}.ports`));
    if (file === undefined) return undefined;
    const ports = JSON.parse(await readFile(join(this.folder, file), 'utf8')) as { nats: string[] };
    const first = ports.nats[0];
    return first === undefined ? undefined : Number(new URL(first).port);
  }

  private async answers(): Promise<boolean | Wrong> {
    const { access } = this.options;
    const connection = await connect({ servers: this.url, reconnect: false, timeout: 2000, ...access });
    try {
      if (connection.info?.server_name !== this.name) {
        return new Wrong(`does not hold ${this.url}: ${connection.info?.server_name} answers there`);
      }
      const answer = await connection.request('$JS.API.INFO', undefined, { timeout: 2000 });
      return !('error' in answer.json<object>());
    } finally {
      await connection.close();
    }
  }
}

/** A real nats-server of the caller's own on a free port of 127.0.0.1, JetStream on. It ends with the caller's process. */
export async function startBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  const { path: binary } = await findBroker({ cacheDir: cacheFolder(), log: () => undefined });
  const folder = await temporaryFolder('runledger-broker-');
  const storeDir = options.storeDir ?? join(folder.path, 'store');
  const broker = new RealBroker(binary, folder.path, storeDir, options, () => folder.remove());
  try {
    await broker.start();
  } catch (error) {
    await folder.remove();
    throw error;
  }
  return broker;
}
