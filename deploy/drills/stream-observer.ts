import { createHash } from 'node:crypto';
import { type ClientRequest, request } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as pause } from 'node:timers/promises';

const ENDS = new Set(['run.succeeded', 'run.failed', 'run.stopped']);
const FRAME = /^id: (\d+)\nevent: ([^\n]*)\ndata: ([^\n]*)$/;

export interface ObserverOptions {
  key: string;
  runId: string;
  /** Where the next connection goes. */
  url: () => string;
  /** Of a client's first wait before it reconnects, and its longest; half of each wait is chance. */
  reconnectMs?: { first: number; cap: number };
  onLine?: (seq: number, line: string) => void;
}

/** How a connection was over. */
export type Over = 'ended' | 'closed' | 'cut' | 'refused';

/**
 * Somebody who watches a run on bare connections, one after the other, and trusts nobody: every byte of `data` is taken
 * into one hash, and a number that is not the next one is kept as a trouble.
 */
export class StreamObserver {
  last: number;
  frames = 0;
  connections = 0;
  cuts = 0;
  /** The last event of the run was seen. */
  isDone = false;
  readonly troubles: string[] = [];
  readonly #hash = createHash('sha256');
  readonly #options: ObserverOptions;
  #request: ClientRequest | undefined;
  #stopped = false;
  #isPaused = false;
  #resume: (() => void) | undefined;

  constructor(options: ObserverOptions, after = 0) {
    this.#options = options;
    this.last = after;
  }

  get runId(): string {
    return this.#options.runId;
  }

  /** Of all lines so far. */
  get sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Watches over as many connections as it takes, until the run's last event or `stop`. */
  async watch(): Promise<void> {
    const { first, cap } = this.#options.reconnectMs ?? { first: 1_000, cap: 4_000 };
    for (let wait = first; !this.isDone && !this.#stopped;) {
      const before = this.frames;
      const over = await this.connect();
      if (this.isDone || this.#stopped) return;
      wait = this.frames > before ? first : Math.min(cap, wait * 2);
      if (over !== 'ended') await pause(wait / 2 + (Math.random() * wait) / 2);
    }
  }

  /** One connection, to its end. */
  connect(): Promise<Over> {
    const { key, runId, url } = this.#options;
    this.connections += 1;
    return new Promise((resolve) => {
      const headers = { authorization: `Bearer ${key}`, 'last-event-id': String(this.last) };
      const call = request(`${url()}/runs/${runId}/stream`, { agent: false, headers });
      this.#request = call;
      call.on('error', () => resolve('cut'));
      call.on('response', (response) => {
        if (response.statusCode === 204) this.isDone = true;
        if (response.statusCode !== 200) {
          if (response.statusCode !== 204 && (response.statusCode ?? 0) < 500)
            this.troubles.push(`${runId}: a cursor at ${this.last} was answered ${response.statusCode}`);
          response.resume();
          response.on('close', () => resolve('refused'));
          return;
        }
        let rest = '';
        const decoder = new StringDecoder('utf8');
        response.on('data', (chunk: Buffer) => (rest = this.#take(rest + decoder.write(chunk))));
        response.on('end', () => resolve('ended'));
        response.on('error', () => undefined);
        response.on('close', () => {
          if (!response.complete) this.cuts += 1;
          resolve(response.complete ? 'ended' : 'cut');
        });
        this.#resume = () => response.resume();
        if (this.#isPaused) response.pause();
      });
      call.end();
    });
  }

  /** Reads nothing from now on, though the connection stays. */
  stopReading(): void {
    this.#isPaused = true;
    this.#request?.socket?.pause();
  }

  readAgain(): void {
    this.#isPaused = false;
    this.#request?.socket?.resume();
    this.#resume?.();
  }

  /** The connection breaks, as connections do. */
  break(): void {
    this.#request?.destroy();
  }

  stop(): void {
    this.#stopped = true;
    this.break();
  }

  #take(text: string): string {
    let from = 0;
    for (let at = text.indexOf('\n\n'); at !== -1; at = text.indexOf('\n\n', from)) {
      const frame = FRAME.exec(text.slice(from, at));
      from = at + 2;
      if (frame) this.#line(Number(frame[1]), frame[2] ?? '', frame[3] ?? '');
    }
    return text.slice(from);
  }

  #line(seq: number, type: string, line: string): void {
    if (seq !== this.last + 1) this.troubles.push(`${this.#options.runId}: ${seq} came after ${this.last}`);
    this.last = seq;
    this.frames += 1;
    this.#hash.update(line).update('\n');
    if (ENDS.has(type)) this.isDone = true;
    this.#options.onLine?.(seq, line);
  }
}
