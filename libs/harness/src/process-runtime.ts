import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { setPriority, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { FOLDER_PREFIX } from './agent-folder.ts';
import { sandboxed, type Sandbox } from './sandbox.ts';
import { groupWatch, type GroupLimits } from './group-watch.ts';
import {
  encodeFrame,
  LineSplitter,
  parseUpFrame,
  ProtocolViolation,
  type DownFrame,
  type UpFrame,
} from './protocol.ts';

const STDERR_KEPT = 2_000;
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;
/** How long pipes may stay open once the process itself has ended. */
const PIPE_GRACE_MS = 1_000;

/** Behind the executor, which must keep its leases whatever agents do. */
const NICE = 5;
/** When memory is short, the kernel ends agents first. */
const OOM_SCORE = '1000';
const LIMITS: GroupLimits = { bytes: 1024 * 1024 * 1024, processes: 64 };

/** What may be sent before the process has to read. */
const UNREAD_BYTES = 4 * 1024 * 1024;

export interface Exit {
  code: number | null;
  signal: string | null;
  /** Why it could not even be started. */
  error?: Error;
}

export interface ProcessOptions {
  /** The program and its arguments. */
  command: readonly string[];
  /** The whole environment; nothing is inherited. */
  env: Record<string, string>;
  /** Bytes of stdout in all; default 256 MiB. */
  maxOutputBytes?: number;
  /** Of its process group; default 1 GiB of memory and 64 processes. It is killed beyond. */
  limits?: GroupLimits;
  /** Absent: it sees what this program sees. */
  sandbox?: Sandbox | undefined;
}

/**
 * A child process that speaks the harness protocol: in a process group and an empty folder of its own, without
 * anything of this process's environment.
 */
export class AgentProcess {
  /** Resolves when the process has ended and its folder is gone. */
  readonly exited: Promise<Exit>;
  #stderr = Buffer.alloc(0);
  #ended = false;
  #breach: string | undefined;
  readonly #unwatch: () => void;

  private constructor(
    private readonly child: ChildProcessByStdio<Writable, Readable, Readable>,
    readonly folder: string,
    private readonly maxOutputBytes: number,
    limits: GroupLimits,
  ) {
    this.#unwatch =
      child.pid === undefined
        ? () => undefined
        : groupWatch.add(child.pid, limits, (breach) => {
            this.#breach = breach;
            this.kill();
          });
    child.stdin.on('error', () => undefined);
    child.stderr.on('data', (chunk: Buffer) => this.#keepStderr(chunk));
    const exit = new Promise<Exit>((resolve) => {
      child.once('error', (error) => resolve({ code: null, signal: null, error }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.exited = exit.finally(() => this.#cleanUp());
  }

  static async start({
    command,
    env,
    maxOutputBytes = MAX_OUTPUT_BYTES,
    limits = LIMITS,
    sandbox,
  }: ProcessOptions): Promise<AgentProcess> {
    if (!command[0]) throw new RangeError('a command has at least its program');
    const folder = await mkdtemp(join(tmpdir(), FOLDER_PREFIX));
    const [program = '', ...args] = sandbox ? sandboxed(command, folder, sandbox) : command;
    const child = spawn(program, args, {
      cwd: folder,
      env: {
        PATH: `${process.env.PATH ?? '/usr/bin:/bin'}:${dirname(process.execPath)}`,
        HOME: folder,
        TMPDIR: folder,
        LANG: 'C.UTF-8',
        ...env,
      },
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    if (child.pid !== undefined && !sandbox) giveWay(child.pid);
    return new AgentProcess(child, folder, maxOutputBytes, limits);
  }

  get alive(): boolean {
    return !this.#ended;
  }

  /** Of the process, and of its group; 0 when it could not be started. */
  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** What it was killed for using too much of. */
  get breach(): string | undefined {
    return this.#breach;
  }

  /** Writes one frame. A process that is gone hears nothing, and its exit says so. */
  send(frame: DownFrame): void {
    if (this.child.stdin.writable) this.child.stdin.write(encodeFrame(frame));
  }

  /** Waits while more than 4 MiB of frames are unread. Resolves as soon as the process reads on, or is gone. */
  async drained(): Promise<void> {
    const { stdin } = this.child;
    if (stdin.writableLength <= UNREAD_BYTES) return;
    await new Promise<void>((resolve) => {
      stdin.once('drain', resolve);
      stdin.once('close', resolve);
    });
  }

  /** No more frames will be sent. */
  closeInput(): void {
    this.child.stdin.end();
  }

  /** Frames in order until stdout ends. Reading waits while a frame is being handled. Throws ProtocolViolation. */
  async *frames(): AsyncGenerator<UpFrame> {
    const lines = new LineSplitter();
    let bytes = 0;
    try {
      for await (const chunk of this.child.stdout as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > this.maxOutputBytes)
          throw new ProtocolViolation(
            'output_too_large',
            `an agent writes at most ${this.maxOutputBytes} bytes`,
          );
        for (const line of lines.push(chunk)) if (line.length > 0) yield parseUpFrame(line);
      }
    } catch (error) {
      if (this.#ended && !(error instanceof ProtocolViolation)) return;
      throw error;
    }
    // What was ended from here may have been in the middle of a word.
    if (lines.pending > 0 && this.#breach === undefined)
      throw new ProtocolViolation('cut_frame', 'the last frame has no line feed');
  }

  /** The last 2,000 characters of stderr. */
  stderrTail(): string {
    return this.#stderr.toString('utf8').slice(-STDERR_KEPT);
  }

  /** SIGTERM to the whole group, SIGKILL after `graceMs`; resolves when the process has ended. */
  async end(graceMs: number): Promise<Exit> {
    this.#signal('SIGTERM');
    const timer = setTimeout(() => this.kill(), graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  /** SIGKILL to the whole group. */
  kill(): void {
    this.#signal('SIGKILL');
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.child.pid === undefined || this.#ended) return;
    try {
      process.kill(-this.child.pid, signal);
    } catch {
      this.child.kill(signal);
    }
  }

  #keepStderr(chunk: Buffer): void {
    // Four bytes are the longest character.
    this.#stderr = Buffer.concat([this.#stderr, chunk]).subarray(-STDERR_KEPT * 4);
  }

  /** What the process left behind: its own children, and its folder. */
  async #cleanUp(): Promise<void> {
    this.#unwatch();
    this.#signal('SIGKILL');
    this.#ended = true;
    const timer = setTimeout(() => {
      this.child.stdout.destroy();
      this.child.stderr.destroy();
    }, PIPE_GRACE_MS);
    timer.unref();
    this.child.stdin.destroy();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** As far as this machine lets us: it may not know it, and the process may have ended already. */
function giveWay(pid: number): void {
  try {
    setPriority(pid, NICE);
    writeFileSync(`/proc/${pid}/oom_score_adj`, OOM_SCORE);
  } catch {
    // It runs as any other process.
  }
}
