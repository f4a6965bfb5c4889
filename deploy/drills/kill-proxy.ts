import { connect, createServer, type Server, type Socket } from 'node:net';
import { runSubject } from '@runledger/wire';
import type { Cleanup } from './cleanup.ts';
import { type Frame, FrameReader, headerOf, publishAnswer } from './nats-frames.ts';

/**
 * A moment at a run's first commit with an event of this type. `sent`: it left the writer and never reaches the broker.
 * `stored`: the broker has it, and its answer never arrives. `confirmed`: the answer is on its way to the writer.
 */
export interface Moment {
  type: string;
  at: 'sent' | 'stored' | 'confirmed';
}

interface Trap extends Moment {
  subject: string;
  spring: (site: number) => void;
}

/**
 * Stands between writers of the log and the broker, one listener for each, and tells the very moment at which one of
 * them is about to know more than the log, or less.
 */
export class KillProxy {
  /** By subject. */
  readonly #traps = new Map<string, Trap>();
  /** The last listener through which a run was written, by subject. */
  readonly #writers = new Map<string, number>();
  readonly #sockets = new Set<Socket>();
  readonly #servers: Server[] = [];

  constructor(cleanup: Cleanup) {
    cleanup.add('proxy', () => this.#close());
  }

  /** A URL of its own for the next writer; listeners are numbered from 0. */
  async listen(url: string): Promise<string> {
    const site = this.#servers.length;
    const server = createServer({ noDelay: true }, (client) =>
      this.#serve(client, Number(new URL(url).port), site),
    );
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    return `nats://127.0.0.1:${address.port}`;
  }

  /** `spring` is called once, at that moment, with the writer's number. */
  arm(runId: string, moment: Moment, spring: (site: number) => void): void {
    const subject = runSubject('local', runId);
    this.#traps.set(subject, { ...moment, subject, spring });
  }

  /** Who has written last in this run. */
  writerOf(runId: string): number | undefined {
    return this.#writers.get(runSubject('local', runId));
  }

  #serve(client: Socket, port: number, site: number): void {
    const broker = connect({ host: '127.0.0.1', port, noDelay: true });
    const [up, down] = [new FrameReader(), new FrameReader()];
    /** Traps whose commit is at the broker, by the inbox that waits for the answer. */
    const pending = new Map<string, Trap>();
    for (const [from, to] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      for (const frame of up.push(chunk)) if (this.#goesUp(frame, site, pending)) broker.write(frame.bytes);
    });
    broker.on('data', (chunk: Buffer) => {
      for (const frame of down.push(chunk))
        if (this.#goesDown(frame, site, pending)) client.write(frame.bytes);
    });
  }

  /** Whether the broker is to see it. */
  #goesUp(frame: Frame, site: number, pending: Map<string, Trap>): boolean {
    const [subject = '', inbox = ''] = frame.args;
    if (frame.verb !== 'HPUB' || headerOf(frame, 'Run-Commit') === '') return true;
    this.#writers.set(subject, site);
    const trap = this.#traps.get(subject);
    if (!trap || !headerOf(frame, 'Run-Types').split(',').includes(trap.type)) return true;
    this.#traps.delete(subject);
    if (trap.at !== 'sent') {
      pending.set(inbox, trap);
      return true;
    }
    trap.spring(site);
    return false;
  }

  /** Whether the writer is to see it. */
  #goesDown(frame: Frame, site: number, pending: Map<string, Trap>): boolean {
    const inbox = frame.args[0] ?? '';
    const answer = publishAnswer(frame);
    const trap = answer ? pending.get(inbox) : undefined;
    if (!answer || !trap) return true;
    pending.delete(inbox);
    // Refused: the same events come again in another commit.
    if (answer.err_code !== 0) {
      this.#traps.set(trap.subject, trap);
      return true;
    }
    // After the answer has been written to the socket.
    setImmediate(() => trap.spring(site));
    return trap.at === 'confirmed';
  }

  async #close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}
