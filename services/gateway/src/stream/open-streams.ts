import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { Counter, Gauge } from 'prom-client';
import { PING } from './sse-frame.ts';
import type { SseReader } from './sse-reader.ts';

export const PING_EVERY_MS = 15_000;

/** All open streams of this process: one heartbeat for all of them, and their orderly end. */
@Injectable()
export class OpenStreams implements BeforeApplicationShutdown {
  readonly #readers = new Set<SseReader>();
  readonly #open: Gauge;
  readonly #cuts: Counter;
  #heartbeat: NodeJS.Timeout | undefined;
  /** True once the process is stopping: no stream is opened any more. */
  draining = false;

  constructor(@Inject(SERVICE_CONTEXT) context: ServiceContext) {
    this.#open = new Gauge({
      name: 'runledger_open_streams',
      help: 'Open SSE streams',
      registers: [context.metrics],
    });
    this.#cuts = new Counter({
      name: 'runledger_streams_cut_total',
      help: 'Streams cut because their reader was too slow',
      labelNames: ['reason'],
      registers: [context.metrics],
    });
  }

  get count(): number {
    return this.#readers.size;
  }

  add(reader: SseReader): void {
    this.#readers.add(reader);
    this.#open.set(this.#readers.size);
    this.#heartbeat ??= setInterval(() => this.ping(), PING_EVERY_MS).unref();
    reader.gone.addEventListener('abort', () => this.#remove(reader), { once: true });
  }

  ping(): void {
    for (const reader of this.#readers) reader.ping(PING);
  }

  /** Ends every stream: nothing false is sent, the reader resumes elsewhere. */
  beforeApplicationShutdown(): void {
    this.draining = true;
    clearInterval(this.#heartbeat);
    for (const reader of this.#readers) reader.end();
  }

  #remove(reader: SseReader): void {
    this.#readers.delete(reader);
    this.#open.set(this.#readers.size);
    if (reader.cut) this.#cuts.inc({ reason: reader.cut });
  }
}
