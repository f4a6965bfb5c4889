import {
  cacheFolder,
  findMongo,
  type FoundMongo,
  MONGO_PROGRAM_STEPS,
  MONGO_STEPS,
  type RunningMongo,
  startMongo,
} from '@runledger/local-servers';
import { temporaryFolder } from './temporary-folder.ts';

export interface MongoServer {
  /** Without a database; the same after a restart. */
  readonly url: string;
  /** What it wrote to stdout and stderr in its present life. */
  output(): string;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
  /** The same port and data; kills first if it still runs. Waits until it answers. */
  restart(): Promise<void>;
  /** Freezes the process (SIGSTOP): connections stay open and silent. */
  pause(): void;
  resume(): void;
  /** Kills it and removes its data. */
  stop(): Promise<void>;
}

export interface MongoServerOptions {
  /**
   * What `mongoForTests` has found. Default: looked for, without regard to `RUNLEDGER_MONGODB_URL`, whose server is
   * not ours to kill.
   */
  found?: FoundMongo;
}

/**
 * The MongoDB server that tests can have here, or undefined, with a loud line, where there is none. With `CI` set, none
 * is a failure. The first time on a machine it may be built, which takes minutes: ask outside of a test's time.
 * @param own a program to start and kill, even where `RUNLEDGER_MONGODB_URL` names a server.
 */
export async function mongoForTests({ own = false } = {}): Promise<FoundMongo | undefined> {
  const steps = own ? MONGO_PROGRAM_STEPS : MONGO_STEPS;
  try {
    return await findMongo({ cacheDir: cacheFolder(), log: () => undefined, steps });
  } catch (error) {
    if (process.env['CI']) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`\n!!! SKIPPED: everything that needs a MongoDB server. ${reason}\n\n`);
    return undefined;
  }
}

/** A MongoDB server with data of its own, which ends with the caller's process; or the one that was named by its URL. */
export async function startMongoServer(options: MongoServerOptions = {}): Promise<MongoServer> {
  const found = options.found ?? (await mongoForTests({ own: true }));
  if (found === undefined) throw new Error('there is no MongoDB server for tests');
  if ('url' in found) return new NamedServer(found.url);
  const folder = await temporaryFolder('runledger-mongo-');
  const start = (port?: number): Promise<RunningMongo> =>
    startMongo({
      binary: found.binary,
      folder: folder.path,
      disposable: true,
      ...(port !== undefined && { port }),
    });
  try {
    return new OwnServer(await start(), start, () => folder.remove());
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

class OwnServer implements MongoServer {
  constructor(
    private life: RunningMongo,
    private readonly start: (port: number) => Promise<RunningMongo>,
    private readonly removeFolder: () => Promise<void>,
  ) {}

  get url(): string {
    return this.life.url;
  }

  output(): string {
    return this.life.output();
  }

  async kill(): Promise<void> {
    await this.life.end();
  }

  async restart(): Promise<void> {
    await this.kill();
    this.life = await this.start(this.life.port);
  }

  pause(): void {
    process.kill(this.life.pid, 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.life.pid, 'SIGCONT');
  }

  async stop(): Promise<void> {
    await this.kill();
    await this.removeFolder();
  }
}

/** Somebody else's: it can be used, and left. */
class NamedServer implements MongoServer {
  constructor(readonly url: string) {}

  output(): string {
    return '';
  }

  async kill(): Promise<void> {
    this.refuse();
  }

  async restart(): Promise<void> {
    this.refuse();
  }

  pause(): void {
    this.refuse();
  }

  resume(): void {
    this.refuse();
  }

  async stop(): Promise<void> {
    // It goes on.
  }

  private refuse(): never {
    throw new Error(`${this.url} is not ours to stop`);
  }
}
