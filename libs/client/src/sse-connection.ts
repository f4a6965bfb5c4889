import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { reasonOf } from './errors.ts';

/** Why a stream stopped giving frames. */
export type StreamEnd = 'closed' | 'silent' | 'broken';

/** Longest line plus its frame; a stored line is below 256 KiB. */
const LARGEST_FRAME = 4 * 1024 * 1024;

export interface SseConnectionOptions {
  /** No byte for this long means that the connection is dead, in ms. */
  watchdogMs: number;
  onRetry: (ms: number) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Frames of one SSE body, pulled: what is not asked for stays in the socket, and the watchdog runs only while waiting for bytes.
 * A frame whose blank line never came is not passed on.
 */
export class SseConnection {
  #reader: ReadableStreamDefaultReader<Uint8Array>;
  #options: SseConnectionOptions;
  /** How the stream ended, once `frames` has returned. */
  end: StreamEnd = 'closed';
  reason = 'the server closed the stream';
  receivedBytes = 0;

  constructor(body: ReadableStream<Uint8Array>, options: SseConnectionOptions) {
    this.#reader = body.getReader();
    this.#options = options;
  }

  async *frames(): AsyncGenerator<EventSourceMessage> {
    const ready: EventSourceMessage[] = [];
    const decoder = new TextDecoder('utf-8', { fatal: true });
    const parser = createParser({
      onEvent: (frame) => ready.push(frame),
      onRetry: (ms) => this.#options.onRetry(ms),
      maxBufferSize: LARGEST_FRAME,
    });
    try {
      for (;;) {
        const chunk = await this.#read();
        if (chunk === undefined) return;
        parser.feed(decoder.decode(chunk, { stream: true }));
        while (ready.length > 0) yield ready.shift() as EventSourceMessage;
      }
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      if (this.end === 'closed') this.#fail('broken', reasonOf(error));
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    // A body that has failed or was aborted has nothing left to cancel.
    await this.#reader.cancel().catch(() => undefined);
  }

  async #read(): Promise<Uint8Array | undefined> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        this.#fail('silent', `no byte for ${this.#options.watchdogMs} ms`);
        reject(new Error(this.reason));
      }, this.#options.watchdogMs);
    });
    try {
      const { value, done } = await Promise.race([this.#reader.read(), silence]);
      if (done) return undefined;
      this.receivedBytes += value.byteLength;
      return value;
    } finally {
      clearTimeout(timer);
    }
  }

  #fail(end: StreamEnd, reason: string): void {
    this.end = end;
    this.reason = reason;
  }
}
