import { Inject, Injectable } from '@nestjs/common';
import { isEndType } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../auth/principal.ts';
import { OpenStreams } from '../stream/open-streams.ts';
import { RETRY_LINE, SSE_HEADERS } from '../stream/sse-frame.ts';
import { MAX_WAITING_BYTES, SseReader } from '../stream/sse-reader.ts';
import { refuseCursorBeyond } from '../runs/cursor.ts';
import { notFound } from '../runs/load-run-for.ts';
import type { AgUiCursor } from './ag-ui-cursor.ts';
import { RunFrames, untilTerminal } from './run-frames.ts';

export interface AgUiStreamRequest {
  caller: Principal;
  address: RunAddress;
  after: AgUiCursor;
  /** Closed after the first RUN_FINISHED or RUN_ERROR; otherwise after the end of the run, whatever it waited for. */
  oneRun: boolean;
}

/** Streams of single runs as AG-UI events. The translation depends on all that was before, so the log is read from its beginning. */
@Injectable()
export class AgUiStreams {
  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(OpenStreams) private readonly streams: OpenStreams,
  ) {}

  /** Takes the reply over and sends the stream; resolves when it is over. 204 where nothing can follow the cursor. */
  async open(stream: AgUiStreamRequest, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { address, after } = stream;
    const { last_seq, ended } = await this.context.runLog.page(address, after.seq, 1);
    if (last_seq === 0) throw notFound(address.run_id);
    refuseCursorBeyond(after.seq, last_seq);
    if (ended && after.seq === last_seq && after.part === undefined) {
      await reply.code(204).send();
      return;
    }
    this.streams.refuseIfFull(stream.caller);
    const headers = reply.getHeaders() as Record<string, string>;
    reply.hijack();
    reply.raw.writeHead(200, { ...headers, ...SSE_HEADERS, 'x-request-id': request.id });
    const reader = new SseReader(reply.raw);
    this.streams.add(reader, stream.caller);
    await reader.push(RETRY_LINE);
    try {
      await this.#send(stream, reader, last_seq);
    } catch (error) {
      // The status is already sent: all that can be said is to close, and the reader resumes.
      this.context.logger.warn({ err: error, run_id: address.run_id }, 'an AG-UI stream was closed early');
    }
    reader.end();
  }

  async #send(
    { address, after, oneRun }: AgUiStreamRequest,
    reader: SseReader,
    lastSeq: number,
  ): Promise<void> {
    const run = new RunFrames(address.run_id, after);
    const follow = this.context.runLog.follow(address, { after: 0, signal: reader.gone });
    for await (const batch of follow) {
      const all = batch.flatMap((stored) => run.next(stored));
      const { frames, over } = oneRun ? untilTerminal(all) : { frames: all, over: false };
      const isOld = (batch[0]?.seq ?? 0) <= lastSeq;
      if (
        !(await write(
          reader,
          frames.map(({ text }) => text),
          isOld,
        ))
      )
        return;
      if (over || batch.some(({ type }) => isEndType(type))) return;
    }
  }
}

/** What was there before, and what is too much at once, goes at the reader's pace; the rest must not wait for it. */
async function write(reader: SseReader, frames: readonly string[], isOld: boolean): Promise<boolean> {
  if (frames.length === 0) return !reader.gone.aborted;
  const text = frames.join('');
  return isOld || text.length > MAX_WAITING_BYTES ? reader.replay(frames) : reader.push(text);
}
