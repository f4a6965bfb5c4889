import { Inject, Injectable } from '@nestjs/common';
import { END_EVENTS } from '@runledger/run';
import type { RunAddress, StoredLine } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../auth/principal.ts';
import { OpenStreams } from './open-streams.ts';
import { frameOf, RETRY_LINE, SSE_HEADERS } from './sse-frame.ts';
import { MAX_WAITING_BYTES, SseReader } from './sse-reader.ts';

export interface StreamRequest {
  caller: Principal;
  address: RunAddress;
  /** Strictly after this event. */
  after: number;
  /** Only these types, though `after` counts all; absent: every type. */
  types: ReadonlySet<string> | undefined;
  /** The run's last event when the stream was asked for: what is up to there is replay. */
  lastSeq: number;
}

/** Streams of single runs: replay, then live, closed after the terminal event. */
@Injectable()
export class RunStreams {
  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(OpenStreams) private readonly streams: OpenStreams,
  ) {}

  /** Takes the reply over and sends the stream; resolves when it is over. */
  async open(stream: StreamRequest, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    this.streams.refuseIfFull(stream.caller);
    const headers = reply.getHeaders();
    reply.hijack();
    const response = reply.raw;
    response.writeHead(200, {
      ...(headers as Record<string, string>),
      ...SSE_HEADERS,
      'x-request-id': request.id,
    });
    const reader = new SseReader(response);
    this.streams.add(reader, stream.caller);
    await reader.push(RETRY_LINE);
    try {
      await this.#send(stream, reader);
    } catch (error) {
      // The status is already sent: all that can be said is to close, and the reader resumes.
      this.context.logger.warn({ err: error, run_id: stream.address.run_id }, 'a stream was closed early');
    }
    reader.end();
  }

  async #send(stream: StreamRequest, reader: SseReader): Promise<void> {
    const { address, after, types, lastSeq } = stream;
    const follow = this.context.runLog.follow(address, { after, signal: reader.gone });
    for await (const batch of follow) {
      const wanted = types ? batch.filter((stored) => types.has(stored.type)) : batch;
      if (!(await write(reader, wanted, lastSeq))) return;
      if (batch.some((stored) => isEnd(stored.type))) return;
    }
  }
}

/** What was there before, and what is too much at once, goes at the reader's pace; the rest must not wait for it. */
async function write(reader: SseReader, lines: readonly StoredLine[], lastSeq: number): Promise<boolean> {
  const old = lines.filter((stored) => stored.seq <= lastSeq).map(frameOf);
  const live = lines.slice(old.length).map(frameOf);
  if (!(await reader.replay(old))) return false;
  if (live.length === 0) return true;
  const text = live.join('');
  return text.length > MAX_WAITING_BYTES ? reader.replay(live) : reader.push(text);
}

const isEnd = (type: string): boolean => (END_EVENTS as readonly string[]).includes(type);
