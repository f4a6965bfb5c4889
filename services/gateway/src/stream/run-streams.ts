import { Inject, Injectable } from '@nestjs/common';
import type { RunAddress, StoredLine } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../auth/principal.ts';
import type { CommitFrames, TypeFilter } from './commit-frames.ts';
import { OpenStreams } from './open-streams.ts';
import { NotFollowed, RunWatcher, type Sink, type Stand } from './run-watcher.ts';
import { frameOf, RETRY_LINE } from './sse-frame.ts';
import { PIECE_BYTES, type SseReader } from './sse-reader.ts';

export interface StreamRequest {
  caller: Principal;
  address: RunAddress;
  /** Strictly after this event. */
  after: number;
  /** Absent: every type. `after` and the ids count all of them. */
  filter: TypeFilter | undefined;
  /** A frame that comes first. */
  prelude?: string;
  /** The run as it was when the stream was asked for. */
  stand: Stand;
}

/** Streams of single runs: replay, then live, closed after the terminal event. */
@Injectable()
export class RunStreams {
  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(OpenStreams) private readonly streams: OpenStreams,
    @Inject(RunWatcher) private readonly watcher: RunWatcher,
  ) {}

  /** Takes the reply over and answers at once: the stream goes on by itself, and holds nothing of the request. */
  open(stream: StreamRequest, request: FastifyRequest, reply: FastifyReply): void {
    void this.#serve(stream, this.streams.open(stream.caller, request, reply));
  }

  async #serve(
    { address, after, filter, stand, prelude = '' }: StreamRequest,
    reader: SseReader,
  ): Promise<void> {
    try {
      if (await reader.replayPiece(RETRY_LINE + prelude))
        await this.watcher.watch(address, after, stand, new RunSink(reader, filter));
    } catch (error) {
      // The status is already sent: all that can be said is to close, and the reader resumes.
      if (!(error instanceof NotFollowed))
        this.context.logger.warn({ err: error, run_id: address.run_id }, 'a stream was closed early');
    }
    reader.end();
  }
}

/** A connection for one run: what is live is framed once for all connections. */
class RunSink implements Sink {
  #piece = '';

  constructor(
    private readonly reader: SseReader,
    private readonly filter: TypeFilter | undefined,
  ) {}

  get hasLeft(): boolean {
    return this.reader.gone.aborted;
  }

  onGone(listener: () => void): () => void {
    return this.reader.onGone(listener);
  }

  async replay(lines: readonly StoredLine[]): Promise<boolean> {
    for (const stored of lines)
      if (!this.filter || this.filter.types.has(stored.type)) this.#piece += frameOf(stored);
    return this.#piece.length < PIECE_BYTES ? !this.hasLeft : this.flush();
  }

  flush(): Promise<boolean> {
    const piece = this.#piece;
    this.#piece = '';
    return this.reader.replayPiece(piece);
  }

  replayFramed(frames: CommitFrames, after: number): Promise<boolean> {
    return this.reader.replayPiece(frames.after(after).bytes(this.filter));
  }

  offer(frames: CommitFrames, after: number): boolean {
    return this.reader.offer(frames.after(after).bytes(this.filter));
  }

  recover(): Promise<boolean> {
    return this.reader.recover();
  }
}
