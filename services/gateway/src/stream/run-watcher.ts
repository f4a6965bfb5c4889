import { Inject, Injectable } from '@nestjs/common';
import { isEndType } from '@runledger/run';
import type { RunAddress, StoredLine } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { refuseCursorBeyond } from '../runs/cursor.ts';
import { notFound } from '../runs/load-run-for.ts';
import { Broadcasts } from './broadcasts.ts';
import type { CommitFrames } from './commit-frames.ts';
import type { RunBroadcast } from './run-broadcast.ts';

/** Where a run stands. */
export interface Stand {
  lastSeq: number;
  ended: boolean;
}

/** One reader's place for the events of one run. */
export interface Sink {
  /** What has happened before, in order. Resolves when more may follow: false, when the reader has left. */
  replay(lines: readonly StoredLine[]): Promise<boolean>;
  /** Sends what `replay` has kept back. */
  flush(): Promise<boolean>;
  /** As `replay`, of a commit that was framed for others already: what of it comes after event `after`. */
  replayFramed(frames: CommitFrames, after: number): Promise<boolean>;
  /** What happens now, from after event `after` on. False: not taken, the reader has too much waiting. */
  offer(frames: CommitFrames, after: number): boolean;
  /** Resolves when the reader has taken what waited for it: false, when it has left or was cut. */
  recover(): Promise<boolean>;
  readonly hasLeft: boolean;
  /** Answers how to take the listener off again. */
  onGone(listener: () => void): () => void;
}

interface Cursor {
  after: number;
  ended: boolean;
}

/** The log of a watched run could not be followed; that was said once, by whoever followed it. */
export class NotFollowed extends Error {}

/** Brings one run's events to one reader: replay, then live, without gap or repeat. */
@Injectable()
export class RunWatcher {
  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(Broadcasts) private readonly broadcasts: Broadcasts,
  ) {}

  /** As the log's leader has it. Throws `run_not_found`, and `invalid_cursor` beyond the last event. */
  async standOf(address: RunAddress, after: number): Promise<Stand> {
    const { last_seq: lastSeq, ended } = await this.context.runLog.page(address, after, 0);
    if (lastSeq === 0) throw notFound(address.run_id);
    refuseCursorBeyond(after, lastSeq);
    return { lastSeq, ended };
  }

  /** Resolves after the run's last event, or when the reader has left. Throws when the log cannot be read. */
  async watch(address: RunAddress, from: number, stand: Stand, sink: Sink): Promise<void> {
    if (stand.ended) return void (await this.#replay(address, from, sink));
    const { broadcast, leave } = this.broadcasts.join(address, stand.lastSeq);
    let hold = broadcast.catchUp();
    const holding = {
      attached: (): void => hold.done(),
      behind: (): void => void (hold = broadcast.catchUp()),
    };
    try {
      let cursor: Cursor | undefined = { after: from, ended: false };
      while (cursor && !cursor.ended) {
        cursor = await this.#catchUp(address, broadcast, cursor.after, sink);
        if (cursor && !cursor.ended) cursor = await listen(broadcast, cursor.after, sink, holding);
      }
    } finally {
      hold.done();
      leave();
    }
  }

  /** Reads on until the reader has all that was told; undefined when it has left. */
  async #catchUp(
    address: RunAddress,
    broadcast: RunBroadcast,
    from: number,
    sink: Sink,
  ): Promise<Cursor | undefined> {
    let cursor: Cursor | undefined = { after: from, ended: false };
    while (cursor && !cursor.ended) {
      const since = broadcast.since(cursor.after);
      if (since?.length === 0) return cursor;
      cursor = since
        ? await sendAll(since, cursor.after, sink)
        : await this.#replay(address, cursor.after, sink);
    }
    return cursor;
  }

  /** What is stored after an event; undefined when the reader has left. */
  async #replay(address: RunAddress, after: number, sink: Sink): Promise<Cursor | undefined> {
    const { batches } = await this.context.runLog.replay(address, after);
    let at: Cursor = { after, ended: false };
    for await (const lines of batches) {
      if (!(await sink.replay(lines))) return undefined;
      at = { after: lines.at(-1)?.seq ?? at.after, ended: lines.some(({ type }) => isEndType(type)) };
    }
    return (await sink.flush()) ? at : undefined;
  }
}

async function sendAll(
  commits: readonly CommitFrames[],
  after: number,
  sink: Sink,
): Promise<Cursor | undefined> {
  for (const frames of commits) if (!(await sink.replayFramed(frames, after))) return undefined;
  const last = commits.at(-1);
  return { after: last?.last ?? after, ended: last?.isEnd ?? false };
}

/**
 * What happens from now on. Resolves when the run has ended, when the reader has left or is cut (undefined), and
 * when there is something to catch up with: it was behind and has taken what waited for it, or something was told
 * between its last look and now.
 */
function listen(
  broadcast: RunBroadcast,
  from: number,
  sink: Sink,
  holding: { attached: () => void; behind: () => void },
): Promise<Cursor | undefined> {
  return new Promise((resolve, reject) => {
    let after = from;
    const stop = (outcome: Cursor | undefined): void => {
      broadcast.detach(listener);
      forget();
      resolve(outcome);
    };
    const listener = {
      onCommit: (frames: CommitFrames): void => {
        if (frames.last <= after) return;
        if (frames.first > after + 1) return stop({ after, ended: false });
        if (sink.offer(frames, after)) {
          after = frames.last;
          if (frames.isEnd) stop({ after, ended: true });
          return;
        }
        broadcast.detach(listener);
        holding.behind();
        void sink.recover().then((isBack) => stop(isBack ? { after, ended: false } : undefined));
      },
      onOver: (failed: boolean): void => {
        if (failed) reject(new NotFollowed());
        stop(failed ? undefined : { after, ended: true });
      },
    };
    const forget = sink.onGone(() => stop(undefined));
    if (sink.hasLeft) stop(undefined);
    else if (broadcast.attach(listener, from)) holding.attached();
    else stop({ after, ended: false });
  });
}
