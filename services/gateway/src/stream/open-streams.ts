import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { Counter, Gauge } from 'prom-client';
import { Authenticator } from '../auth/authenticator.ts';
import type { Principal } from '../auth/principal.ts';
import { Problem } from '../problem/problem.ts';
import { PING } from './sse-frame.ts';
import type { SseReader } from './sse-reader.ts';

export const PING_EVERY_MS = 15_000;

/** How often it is asked whether readers may still read. With what the records are believed, within 5 s. */
export const LOOK_EVERY_MS = 2_000;
const FULL_RETRY_S = 5;

/** All open streams of this process: one heartbeat for all of them, their limits, and their orderly end. */
@Injectable()
export class OpenStreams implements BeforeApplicationShutdown {
  readonly #readers = new Map<SseReader, Principal>();
  readonly #open: Gauge;
  readonly #cuts: Counter;
  #heartbeat: NodeJS.Timeout | undefined;
  #look: NodeJS.Timeout | undefined;
  /** True once the process is stopping: no stream is opened any more. */
  draining = false;

  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(Authenticator) private readonly authenticator: Authenticator,
  ) {
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

  /** Throws `stopping`, and `too_many_streams` when the credential has as many open here as it may. */
  refuseIfFull({ key_id, max_streams }: Principal): void {
    if (this.draining) throw new Problem('stopping', 'The server is stopping.');
    if (max_streams === null) return;
    const open = [...this.#readers.values()].filter((reader) => reader.key_id === key_id).length;
    if (open < max_streams) return;
    const detail = `This credential may have ${max_streams} streams open here.`;
    throw new Problem('too_many_streams', detail, { retryAfterS: FULL_RETRY_S });
  }

  add(reader: SseReader, principal: Principal): void {
    this.#readers.set(reader, principal);
    this.#open.set(this.#readers.size);
    this.#heartbeat ??= setInterval(() => this.ping(), PING_EVERY_MS).unref();
    this.#look ??= setInterval(() => void this.endRefused(), LOOK_EVERY_MS).unref();
    reader.gone.addEventListener('abort', () => this.#remove(reader), { once: true });
  }

  /** Ends the streams of credentials that let nobody in any more. */
  async endRefused(): Promise<void> {
    const byCredential = Map.groupBy(this.#readers, ([, { credential }]) => JSON.stringify(credential));
    await Promise.all(
      [...byCredential.values()].map(async (readers) => {
        const principal = readers[0]?.[1];
        if (!principal || (await this.#isStillGood(principal))) return;
        for (const [reader] of readers) reader.end();
      }),
    );
  }

  /** While the broker does not answer nothing is revoked either, and nothing new can be read. */
  async #isStillGood(principal: Principal): Promise<boolean> {
    try {
      return await this.authenticator.isStillGood(principal);
    } catch (error) {
      this.context.logger.debug({ err: error }, 'cannot look whether readers may still read');
      return true;
    }
  }

  ping(): void {
    for (const reader of this.#readers.keys()) reader.ping(PING);
  }

  /** Ends every stream: nothing false is sent, the reader resumes elsewhere. */
  beforeApplicationShutdown(): void {
    this.draining = true;
    clearInterval(this.#heartbeat);
    clearInterval(this.#look);
    for (const reader of this.#readers.keys()) reader.end();
  }

  #remove(reader: SseReader): void {
    this.#readers.delete(reader);
    this.#open.set(this.#readers.size);
    if (reader.cut) this.#cuts.inc({ reason: reader.cut });
  }
}
