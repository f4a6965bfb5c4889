import { once } from 'node:events';
import picocolors from 'picocolors';
import type { Colors } from 'picocolors/types.js';

export interface Streams {
  stdin: NodeJS.ReadableStream;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
}

/** stdout is the answer, stderr is talk. Each line is written as it is: what a server said is made harmless before. */
export class Terminal {
  readonly paint: Colors;
  readonly #streams: Streams;
  #progress = '';

  constructor(streams: Streams, env: NodeJS.ProcessEnv) {
    this.#streams = streams;
    // A pipe has no `isTTY` at all, and picocolors takes undefined for its own guess, which is yes under CI.
    const coloured = Boolean(streams.stdout.isTTY) && !env.NO_COLOR && env.TERM !== 'dumb';
    this.paint = picocolors.createColors(coloured);
  }

  /** Waits when the reader is slow. */
  async answer(line: string): Promise<void> {
    this.#clear();
    if (!this.#streams.stdout.write(`${line}\n`)) await once(this.#streams.stdout, 'drain');
  }

  /** Bytes that are no text. Waits when the reader is slow. */
  async answerBytes(bytes: Uint8Array): Promise<void> {
    if (!this.#streams.stdout.write(bytes)) await once(this.#streams.stdout, 'drain');
  }

  get answersToPerson(): boolean {
    return Boolean(this.#streams.stdout.isTTY);
  }

  talk(line: string): void {
    this.#clear();
    this.#streams.stderr.write(`${line}\n`);
  }

  /** One line that replaces itself; only where a person looks. */
  progress(line: string): void {
    const { stderr } = this.#streams;
    if (!stderr.isTTY) return;
    this.#clear();
    this.#progress = line.slice(0, Math.max(20, stderr.columns - 1));
    stderr.write(this.#progress);
  }

  /** Everything written, and no progress line left behind. */
  async finish(): Promise<void> {
    this.#clear();
    await Promise.all([flushed(this.#streams.stdout), flushed(this.#streams.stderr)]);
  }

  async readInput(): Promise<string> {
    let text = '';
    for await (const chunk of this.#streams.stdin) text += String(chunk);
    return text;
  }

  #clear(): void {
    if (this.#progress === '') return;
    this.#progress = '';
    this.#streams.stderr.write('\r\u001b[2K');
  }
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}
