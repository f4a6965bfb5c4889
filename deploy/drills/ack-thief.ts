import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Cleanup } from './cleanup.ts';
import { type Frame, FrameReader, headerOf, isLeaderRead, publishAnswer } from './nats-frames.ts';

/**
 * Stands between services and the broker and lets some answers disappear: what was published is stored, and nobody is
 * told. Half of the time the next answer about what is stored disappears too, so that the writer has to send again.
 */
export class AckThief {
  /** Answers "stored" that disappeared. */
  swallowed = 0;
  /** Answers "stored" in all. */
  acks = 0;
  /** Answers of a leader that disappeared. */
  readsSwallowed = 0;
  /** Commits of runs that were refused with 10071 although they themselves were what is stored. */
  readonly refusedOwn = new Set<string>();
  /** Commits of runs whose acknowledgement disappeared. */
  readonly silenced = new Set<string>();
  readonly #share: number;
  readonly #stored = new Set<string>();
  readonly #sockets = new Set<Socket>();
  readonly #servers: Server[] = [];
  #stealing = true;

  constructor(cleanup: Cleanup, share: number) {
    this.#share = share;
    cleanup.add('proxy', () => this.#close());
  }

  /** A URL for each of the broker's, through the thief. */
  async through(urls: string): Promise<string> {
    return (await Promise.all(urls.split(',').map((url) => this.#listen(Number(new URL(url).port))))).join(
      ',',
    );
  }

  /** From now on everything arrives. */
  retire(): void {
    this.#stealing = false;
  }

  async #listen(port: number): Promise<string> {
    const server = createServer({ noDelay: true }, (client) => this.#serve(client, port));
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    return `nats://127.0.0.1:${address.port}`;
  }

  #serve(client: Socket, port: number): void {
    const broker = connect({ host: '127.0.0.1', port, noDelay: true });
    const link = new Link(this);
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
      link.fromClient(chunk);
      broker.write(chunk);
    });
    broker.on('data', (chunk: Buffer) => {
      const passed = link.fromBroker(chunk);
      if (passed.length > 0) client.write(Buffer.concat(passed));
    });
  }

  /** Whether this acknowledgement is to disappear. */
  takes(): boolean {
    this.acks += 1;
    const taken = this.#stealing && Math.random() < this.#share;
    if (taken) this.swallowed += 1;
    return taken;
  }

  noteStored(commit: string): void {
    this.#stored.add(commit);
  }

  noteRefused(commit: string): void {
    if (this.#stored.has(commit)) this.refusedOwn.add(commit);
  }

  async #close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/** One connection. */
class Link {
  readonly #thief: AckThief;
  readonly #up = new FrameReader();
  readonly #down = new FrameReader();
  /** The commit that an inbox waits for. */
  readonly #pending = new Map<string, string>();
  #readsToTake = 0;

  constructor(thief: AckThief) {
    this.#thief = thief;
  }

  fromClient(chunk: Buffer): void {
    for (const frame of this.#up.push(chunk)) {
      if (frame.verb !== 'HPUB' || frame.args.length < 4) continue;
      const commit = headerOf(frame, 'Run-Commit');
      if (commit !== '') this.#pending.set(frame.args[1] ?? '', commit);
    }
  }

  /** What the client is to see of it. */
  fromBroker(chunk: Buffer): Buffer[] {
    return this.#down.push(chunk).flatMap((frame) => this.#pass(frame));
  }

  #pass(frame: Frame): Buffer[] {
    if (frame.verb === 'INFO') return [withoutOtherServers(frame)];
    if (isLeaderRead(frame) && this.#readsToTake > 0) {
      this.#readsToTake -= 1;
      this.#thief.readsSwallowed += 1;
      return [];
    }
    const answer = publishAnswer(frame);
    if (answer === undefined) return [frame.bytes];
    const commit = this.#pending.get(frame.args[0] ?? '');
    this.#pending.delete(frame.args[0] ?? '');
    if (answer.err_code !== 0) {
      if (answer.err_code === 10071 && commit !== undefined) this.#thief.noteRefused(commit);
      return [frame.bytes];
    }
    if (commit !== undefined) this.#thief.noteStored(commit);
    if (!this.#thief.takes()) return [frame.bytes];
    if (commit !== undefined) {
      this.#thief.silenced.add(commit);
      if (Math.random() < 0.5) this.#readsToTake += 1;
    }
    return [];
  }
}

/** A client that knows the other servers of a cluster would go to them past the proxy. */
function withoutOtherServers(frame: Frame): Buffer {
  const text = frame.bytes.toString('utf8');
  const info = JSON.parse(text.slice(text.indexOf('{'))) as Record<string, unknown>;
  delete info['connect_urls'];
  return Buffer.from(`INFO ${JSON.stringify(info)}\r\n`);
}
