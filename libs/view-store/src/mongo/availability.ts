import { MongoError, MongoNetworkError, MongoServerSelectionError } from 'mongodb';
import { InvalidCursor, ViewsUnavailable } from '../port.ts';

/** After a server did not answer, milliseconds in which nobody waits for it again. */
const REST_MS = 1_000;

/**
 * Turns errors of the driver into a Fault. While the server does not answer, one caller at a time waits to see whether
 * it is back; the others are told at once.
 */
export class Availability {
  #restUntil = -Infinity;
  #down = false;
  #probing = false;
  #closed = false;

  close(): void {
    this.#closed = true;
  }

  async guard<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new ViewsUnavailable('the view store is closed');
    const probe = this.#down;
    if (probe && (this.#probing || performance.now() < this.#restUntil))
      throw new ViewsUnavailable('the view store does not answer');
    this.#probing = probe;
    try {
      const result = await work();
      this.#down = false;
      return result;
    } catch (error) {
      if (error instanceof InvalidCursor || error instanceof ViewsUnavailable) throw error;
      if (!isNoAnswer(error)) {
        if (!(error instanceof MongoError)) throw error;
      } else if (!this.#closed) {
        this.#down = true;
        this.#restUntil = performance.now() + REST_MS;
      }
      throw new ViewsUnavailable(`the view store cannot answer: ${(error as Error).message}`, {
        cause: error,
      });
    } finally {
      if (probe) this.#probing = false;
    }
  }
}

/** `AbortSignal.timeout` rejects with a TimeoutError of its own. */
const isNoAnswer = (error: unknown): boolean =>
  error instanceof MongoServerSelectionError ||
  error instanceof MongoNetworkError ||
  isBrokenSocket(error) ||
  (error instanceof DOMException && error.name === 'TimeoutError');

/** The driver lets some of the system's errors through as they are, such as EPIPE where the server has just gone. */
const isBrokenSocket = (error: unknown): boolean =>
  /^(E[A-Z]+|ERR_(STREAM|SOCKET)_\w+)$/.test(String((error as { code?: unknown } | null)?.code));
