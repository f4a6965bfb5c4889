const FLUSH_MS = 50;
const FLUSH_BYTES = 4_096;

type Channel = 'text' | 'reasoning';

/** Joins the pieces of a streamed text: one append per 50 ms or 4 KiB, and a lone piece waits no longer than that. */
export class TextCoalescer {
  #channel: Channel = 'text';
  #text = '';
  #timer: NodeJS.Timeout | undefined;
  #written: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(private readonly write: (channel: Channel, text: string) => Promise<void>) {}

  /** Throws what an earlier append failed with. */
  add(channel: Channel, delta: string): void {
    if (this.#failure !== undefined) throw this.#failure as Error;
    if (channel !== this.#channel) this.#flush();
    this.#channel = channel;
    this.#text += delta;
    if (this.#text.length >= FLUSH_BYTES / 4 && Buffer.byteLength(this.#text) >= FLUSH_BYTES) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  /** Resolves when everything is on disk. */
  async end(): Promise<void> {
    this.#flush();
    await this.#written;
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  /** Drops what is not yet written. */
  abandon(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#text = '';
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#text.length === 0) return;
    const [channel, text] = [this.#channel, this.#text];
    this.#text = '';
    const written = this.write(channel, text).catch((error: unknown) => {
      this.#failure ??= error;
    });
    this.#written = Promise.all([this.#written, written]).then(() => undefined);
  }
}
