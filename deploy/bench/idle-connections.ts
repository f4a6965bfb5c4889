import { connect, type Socket } from 'node:net';
import { waitFor } from '@runledger/testkit';

/** Connections that are made at once. */
const AT_ONCE = 200;
const CONNECT_MS = 60_000;

/** Observers who only hold their connection: sockets that have asked for a stream and take what comes. */
export class IdleConnections {
  readonly #sockets: Socket[] = [];
  /** Answers that have begun. */
  #answered = 0;
  #refused = 0;

  /** Opens so many streams; resolves when each has been answered. */
  async open(count: number, url: URL, headers: readonly string[]): Promise<void> {
    const asked = [`GET ${url.pathname} HTTP/1.1`, `Host: ${url.host}`, ...headers, '', ''].join('\r\n');
    for (let opened = 0; opened < count; opened += AT_ONCE) {
      const now = Math.min(count, opened + AT_ONCE);
      while (this.#sockets.length < now) this.#one(url, asked);
      await waitFor(() => this.#answered + this.#refused >= now, {
        timeoutMs: CONNECT_MS,
        describe: () => `${now} streams; ${this.#answered} are open`,
      });
      if (this.#refused > 0) throw new Error(`${this.#refused} of ${now} streams were refused`);
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #one(url: URL, asked: string): void {
    const socket = connect(Number(url.port), url.hostname, () => socket.write(asked));
    socket.once('data', (chunk) => {
      if (chunk.toString('latin1', 0, 12) === 'HTTP/1.1 200') this.#answered += 1;
      else this.#refused += 1;
      socket.resume();
    });
    socket.on('error', () => undefined);
    this.#sockets.push(socket);
  }
}
