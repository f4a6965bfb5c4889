import { Inject, Injectable } from '@nestjs/common';
import { isEndType } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../auth/principal.ts';
import { refuseCursorBeyond } from '../runs/cursor.ts';
import { notFound } from '../runs/load-run-for.ts';
import { Broadcasts } from './broadcasts.ts';
import type { CommitFrames, TypeFilter } from './commit-frames.ts';
import { OpenStreams } from './open-streams.ts';
import type { RunBroadcast } from './run-broadcast.ts';
import { frameOf, RETRY_LINE, SSE_HEADERS } from './sse-frame.ts';
import { PIECE_BYTES, type SseReader } from './sse-reader.ts';

export interface StreamRequest {
  caller: Principal;
  address: RunAddress;
  /** Strictly after this event. */
  after: number;
  /** Absent: every type. `after` and the ids count all of them. */
  filter: TypeFilter | undefined;
  /** The run as it was when the stream was asked for. */
  lastSeq: number;
  ended: boolean;
}

interface Cursor {
  after: number;
  ended: boolean;
}

/** Streams of single runs: replay, then live, closed after the terminal event. */
@Injectable()
export class RunStreams {
  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(OpenStreams) private readonly streams: OpenStreams,
    @Inject(Broadcasts) private readonly broadcasts: Broadcasts,
  ) {}

  /** Where the run stands, as its log's leader has it. Throws `run_not_found`, and `invalid_cursor` beyond the last event. */
  async standOf(address: RunAddress, after: number): Promise<Pick<StreamRequest, 'lastSeq' | 'ended'>> {
    const { last_seq: lastSeq, ended } = await this.context.runLog.page(address, after, 0);
    if (lastSeq === 0) throw notFound(address.run_id);
    refuseCursorBeyond(after, lastSeq);
    return { lastSeq, ended };
  }

  /** Takes the reply over and answers at once: the stream goes on by itself, and holds nothing of the request. */
  open(stream: StreamRequest, request: FastifyRequest, reply: FastifyReply): void {
    const reader = this.streams.open(stream.caller, request, reply, SSE_HEADERS);
    void this.#serve(stream, reader);
  }

  async #serve({ address, after, filter, lastSeq, ended }: StreamRequest, reader: SseReader): Promise<void> {
    try {
      if (!(await reader.push(RETRY_LINE))) return;
      if (ended) await this.#replay(address, after, filter, reader);
      else await this.#watch({ address, lastSeq }, after, filter, reader);
    } catch (error) {
      // The status is already sent: all that can be said is to close, and the reader resumes.
      this.context.logger.warn({ err: error, run_id: address.run_id }, 'a stream was closed early');
    }
    reader.end();
  }

  async #watch(
    { address, lastSeq }: { address: RunAddress; lastSeq: number },
    from: number,
    filter: TypeFilter | undefined,
    reader: SseReader,
  ): Promise<void> {
    const { broadcast, leave } = this.broadcasts.join(address, lastSeq);
    try {
      for (let cursor: Cursor | undefined = { after: from, ended: false }; cursor && !cursor.ended;) {
        cursor = await this.#catchUp(address, broadcast, cursor.after, filter, reader);
        if (cursor && !cursor.ended) cursor = await listen(broadcast, cursor.after, filter, reader);
      }
    } finally {
      leave();
    }
  }

  /** Reads on until the reader has all that was told; undefined when it has left. */
  async #catchUp(
    address: RunAddress,
    broadcast: RunBroadcast,
    from: number,
    filter: TypeFilter | undefined,
    reader: SseReader,
  ): Promise<Cursor | undefined> {
    const catching = broadcast.catchUp();
    try {
      let cursor: Cursor | undefined = { after: from, ended: false };
      while (cursor && !cursor.ended) {
        const since = broadcast.since(cursor.after);
        if (since?.length === 0) return cursor;
        cursor = since
          ? await sendAll(since, cursor.after, filter, reader)
          : await this.#replay(address, cursor.after, filter, reader);
      }
      return cursor;
    } finally {
      catching.done();
    }
  }

  /** What is stored after an event, at the reader's pace; undefined when the reader has left. */
  async #replay(
    address: RunAddress,
    after: number,
    filter: TypeFilter | undefined,
    reader: SseReader,
  ): Promise<Cursor | undefined> {
    const { batches } = await this.context.runLog.replay(address, after);
    let at: Cursor = { after, ended: false };
    let piece = '';
    for await (const lines of batches) {
      for (const stored of lines) if (!filter || filter.types.has(stored.type)) piece += frameOf(stored);
      at = { after: lines.at(-1)?.seq ?? at.after, ended: lines.some(({ type }) => isEndType(type)) };
      if (piece.length < PIECE_BYTES) continue;
      if (!(await reader.replayPiece(piece))) return undefined;
      piece = '';
    }
    return (await reader.replayPiece(piece)) ? at : undefined;
  }
}

async function sendAll(
  commits: readonly CommitFrames[],
  after: number,
  filter: TypeFilter | undefined,
  reader: SseReader,
): Promise<Cursor | undefined> {
  for (const frames of commits)
    if (!(await reader.replayPiece(frames.after(after).bytes(filter)))) return undefined;
  const last = commits.at(-1);
  return { after: last?.last ?? after, ended: last?.isEnd ?? false };
}

/**
 * What happens from now on. Resolves when the run has ended, when the reader has left or is cut (undefined), and
 * when it was behind and has taken what waited for it: then it has something to catch up with.
 */
function listen(
  broadcast: RunBroadcast,
  from: number,
  filter: TypeFilter | undefined,
  reader: SseReader,
): Promise<Cursor | undefined> {
  return new Promise((resolve) => {
    let after = from;
    const stop = (outcome: Cursor | undefined): void => {
      broadcast.detach(listener);
      reader.onGone(undefined);
      resolve(outcome);
    };
    const listener = {
      onCommit: (frames: CommitFrames): void => {
        if (frames.last <= after) return;
        if (reader.offer(frames.after(after).bytes(filter))) {
          after = frames.last;
          if (frames.isEnd) stop({ after, ended: true });
          return;
        }
        broadcast.detach(listener);
        void reader.recover().then((isBack) => stop(isBack ? { after, ended: false } : undefined));
      },
      onOver: (failed: boolean): void => stop(failed ? undefined : { after, ended: true }),
    };
    if (reader.gone.aborted) return resolve(undefined);
    reader.onGone(() => stop(undefined));
    broadcast.attach(listener);
  });
}
