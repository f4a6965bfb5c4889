import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Counter, Gauge } from 'prom-client';
import { Authenticator } from '../auth/authenticator.ts';
import type { Principal } from '../auth/principal.ts';
import { Problem } from '../problem/problem.ts';
import { Heartbeats } from './heartbeats.ts';
import { PING, SSE_HEADERS } from './sse-frame.ts';
import { SseReader } from './sse-reader.ts';

export const PING_EVERY_MS = 15_000;

/** How often it is asked whether readers may still read. With what the records are believed, within 5 s. */
export const LOOK_EVERY_MS = 2_000;
const FULL_RETRY_S = 5;

/** Readers that were let in with one credential. */
interface Admitted {
  principal: Principal;
  readers: Set<SseReader>;
}

/** All open streams of this process: their heartbeats, their limits, and their orderly end. */
@Injectable()
export class OpenStreams implements BeforeApplicationShutdown {
  readonly heartbeats = new Heartbeats<SseReader>(PING_EVERY_MS, (reader) => reader.ping(PING));
  readonly #admitted = new Map<string, Admitted>();
  readonly #openByKey = new Map<string, number>();
  readonly #open: Gauge;
  readonly #cuts: Counter;
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
    return this.heartbeats.count;
  }

  /** Throws `stopping`, and `too_many_streams` when the credential has as many open here as it may. */
  refuseIfFull({ key_id, max_streams }: Principal): void {
    if (this.draining) throw new Problem('stopping', 'The server is stopping.');
    if (max_streams === null || (this.#openByKey.get(key_id) ?? 0) < max_streams) return;
    const detail = `This credential may have ${max_streams} streams open here.`;
    throw new Problem('too_many_streams', detail, { retryAfterS: FULL_RETRY_S });
  }

  /** Takes the reply over, with what was set on it, and sends its head. Throws as `refuseIfFull`. */
  open(caller: Principal, request: FastifyRequest, reply: FastifyReply): SseReader {
    this.refuseIfFull(caller);
    const given = reply.getHeaders() as Record<string, string>;
    reply.hijack();
    reply.raw.writeHead(200, { ...given, ...SSE_HEADERS, 'x-request-id': request.id });
    const reader = new SseReader(reply.raw);
    this.add(reader, caller);
    return reader;
  }

  add(reader: SseReader, principal: Principal): void {
    const credential = JSON.stringify([principal.key_id, principal.credential]);
    const admitted = this.#admitted.get(credential) ?? { principal, readers: new Set() };
    this.#admitted.set(credential, admitted);
    admitted.readers.add(reader);
    this.#count(principal.key_id, 1);
    this.heartbeats.add(reader);
    this.#open.set(this.count);
    this.#look ??= setInterval(() => void this.endRefused(), LOOK_EVERY_MS).unref();
    reader.onGone(() => this.#remove(reader, credential));
  }

  /** Ends the streams of credentials that let nobody in any more. */
  async endRefused(): Promise<void> {
    await Promise.all(
      [...this.#admitted.values()].map(async ({ principal, readers }) => {
        if (await this.#isStillGood(principal)) return;
        for (const reader of readers) reader.end();
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

  /** Ends every stream: nothing false is sent, the reader resumes elsewhere. */
  beforeApplicationShutdown(): void {
    this.draining = true;
    this.heartbeats.stop();
    clearInterval(this.#look);
    for (const { readers } of this.#admitted.values()) for (const reader of readers) reader.end();
  }

  #remove(reader: SseReader, credential: string): void {
    const admitted = this.#admitted.get(credential);
    if (!admitted?.readers.delete(reader)) return;
    if (admitted.readers.size === 0) this.#admitted.delete(credential);
    this.#count(admitted.principal.key_id, -1);
    this.heartbeats.remove(reader);
    this.#open.set(this.count);
    if (reader.cut) this.#cuts.inc({ reason: reader.cut });
  }

  #count(keyId: string, change: 1 | -1): void {
    const open = (this.#openByKey.get(keyId) ?? 0) + change;
    if (open > 0) this.#openByKey.set(keyId, open);
    else this.#openByKey.delete(keyId);
  }
}
