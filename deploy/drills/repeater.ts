import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Cleanup } from './cleanup.ts';
import { type Frame, FrameReader } from './nats-frames.ts';

/** Where a service says what became of a message of one of its own durables. */
const OWN_ACK = /^\$JS\.ACK\.(?:.+\.)?(?:gateway|run-scheduler|agent-executor|reconciler|notifier)-[^.]*\./;
/** `...<stream>.<consumer>.<delivered>.<sequence>.<sequence>.<time>.<pending>` and what later versions add. */
const DELIVERED = /-[^.]*\.(\d+)\.\d+\.\d+\.\d+\.\d+/;

/**
 * Stands between services and the broker: every message of a durable arrives twice, and some of what services say of
 * messages (done, again, still at it) never arrives, so that the broker brings them once more.
 */
export class Repeater {
  /** Messages that arrived, and arrived once more at once. */
  doubled = 0;
  /** Of these brought again by the broker itself. */
  redelivered = 0;
  /** The most times that one was brought. */
  mostDeliveries = 0;
  /** What services said and nobody heard. */
  silenced = 0;
  readonly #share: number;
  readonly #sockets = new Set<Socket>();
  readonly #servers: Server[] = [];
  #on = true;

  constructor(cleanup: Cleanup, share: number) {
    this.#share = share;
    cleanup.add('proxy', () => this.#close());
  }

  async through(url: string): Promise<string> {
    const broker = Number(new URL(url).port);
    const server = createServer({ noDelay: true }, (client) => this.#serve(client, broker));
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
    return `nats://127.0.0.1:${address.port}`;
  }

  /** From now on everything arrives, and once. */
  retire(): void {
    this.#on = false;
  }

  #serve(client: Socket, port: number): void {
    const broker = connect({ host: '127.0.0.1', port, noDelay: true });
    const [up, down] = [new FrameReader(), new FrameReader()];
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
      for (const frame of up.push(chunk)) if (!this.#isSilenced(frame)) broker.write(frame.bytes);
    });
    broker.on('data', (chunk: Buffer) => {
      for (const frame of down.push(chunk)) {
        client.write(frame.bytes);
        if (this.#isDoubled(frame)) client.write(frame.bytes);
      }
    });
  }

  #isSilenced({ verb, args }: Frame): boolean {
    if ((verb !== 'PUB' && verb !== 'HPUB') || !OWN_ACK.test(args[0] ?? '')) return false;
    const silenced = this.#on && Math.random() < this.#share;
    if (silenced) this.silenced += 1;
    return silenced;
  }

  #isDoubled({ verb, args }: Frame): boolean {
    const reply = verb === 'HMSG' ? args.at(-3) : verb === 'MSG' ? args.at(-2) : undefined;
    if (!this.#on || reply === undefined || !OWN_ACK.test(reply)) return false;
    this.doubled += 1;
    const deliveries = Number(DELIVERED.exec(reply)?.[1] ?? 1);
    if (deliveries > 1) this.redelivered += 1;
    this.mostDeliveries = Math.max(this.mostDeliveries, deliveries);
    return true;
  }

  async #close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}
