import { StringDecoder } from 'node:string_decoder';

/** One SSE frame: the number of its event, its type and all of its text. */
export type OnFrame = (seq: number, type: string, frame: string) => void;

const SEPARATOR = '\n\n';
const HEAD = /^id: (\d+)\nevent: ([^\n]*)\n/;

/** Cuts a stream into frames; what is no event (retry, ping) is passed over. */
export class FrameReader {
  readonly #decoder = new StringDecoder('utf8');
  readonly #onFrame: OnFrame;
  #rest = '';

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  take(chunk: Buffer): void {
    const text = this.#rest + this.#decoder.write(chunk);
    let from = 0;
    for (let at = text.indexOf(SEPARATOR); at !== -1; at = text.indexOf(SEPARATOR, from)) {
      const frame = text.slice(from, at);
      from = at + SEPARATOR.length;
      const head = HEAD.exec(frame);
      if (head) this.#onFrame(Number(head[1]), head[2] ?? '', frame);
    }
    this.#rest = text.slice(from);
  }
}
