import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Cleanup } from './cleanup.ts';

/** A plain TCP relay to one port of loopback, which can fall silent without closing anything: a half-open link. */
export class Relay {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  #frozen = false;

  private constructor(port: number) {
    this.#server = createServer({ noDelay: true }, (client) => this.#serve(client, port));
  }

  /** Listens on a free port of `host`. */
  static async to(cleanup: Cleanup, port: number, host = '127.0.0.1'): Promise<Relay> {
    const relay = new Relay(port);
    await new Promise<void>((resolve, reject) => {
      relay.#server.once('error', reject);
      relay.#server.listen(0, host, resolve);
    });
    cleanup.add('relay', () => relay.#close());
    return relay;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the relay has no port');
    return `nats://${address.address}:${address.port}`;
  }

  /** Nothing passes in either direction; connections stay as they are. */
  freeze(): void {
    this.#frozen = true;
    for (const socket of this.#sockets) socket.pause();
  }

  thaw(): void {
    this.#frozen = false;
    for (const socket of this.#sockets) socket.resume();
  }

  #serve(client: Socket, port: number): void {
    const broker = connect({ host: '127.0.0.1', port, noDelay: true });
    for (const [from, to] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('data', (chunk: Buffer) => to.write(chunk));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (this.#frozen) from.pause();
    }
  }

  async #close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
