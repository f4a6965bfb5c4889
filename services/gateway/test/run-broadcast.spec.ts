import { describe, expect, it } from '@jest/globals';
import type { FollowOptions, RunAddress, StoredLine } from '@runledger/run-log';
import type { CommitFrames } from '../src/stream/commit-frames.ts';
import { typeFilterOf } from '../src/stream/commit-frames.ts';
import { type Listener, RunBroadcast } from '../src/stream/run-broadcast.ts';

const ADDRESS: RunAddress = { tenant_id: 'acme', run_id: '01M7Z1VMDZR630TW9CBWM0QVWA' };

const line = (seq: number, type = 'log.written', size = 10): StoredLine => ({
  seq,
  type,
  line: JSON.stringify({ seq, type, message: 'x'.repeat(size) }),
});

/** A run whose commits the spec hands out. */
class Run {
  followers = 0;
  #commits: StoredLine[][] = [];
  #ended = false;
  #wake: () => void = () => undefined;

  async *follow(_address: RunAddress, { signal }: FollowOptions): AsyncIterable<StoredLine[]> {
    this.followers += 1;
    signal?.addEventListener('abort', () => this.#wake());
    while (!signal?.aborted) {
      const next = this.#commits.shift();
      if (next) yield next;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async commit(...lines: StoredLine[]): Promise<void> {
    this.#commits.push(lines);
    this.#wake();
    await settled();
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#wake();
    await settled();
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Recorder implements Listener {
  frames: CommitFrames[] = [];
  over: boolean[] = [];
  onCommit(frames: CommitFrames): void {
    this.frames.push(frames);
  }
  onOver(failed: boolean): void {
    this.over.push(failed);
  }
}

describe('a broadcast of a run', () => {
  const begin = (): { run: Run; broadcast: RunBroadcast } => {
    const run = new Run();
    return { run, broadcast: new RunBroadcast(run, ADDRESS, 4, () => undefined) };
  };

  it('follows once, and frames each commit once for all who want the same of it', async () => {
    const { run, broadcast } = begin();
    const listeners = [1, 2, 3].map(() => new Recorder());
    for (const listener of listeners) broadcast.attach(listener, 4);
    await run.commit(line(5), line(6, 'run.started'));
    expect(run.followers).toBe(1);
    const [one, two, three] = listeners.map(({ frames }) => frames[0] as CommitFrames);
    expect(one?.bytes(undefined)).toBe(two?.bytes(undefined));
    const filter = typeFilterOf('run.started,log.written');
    expect(one?.bytes(filter)).toBe(three?.bytes(typeFilterOf('log.written,run.started')));
    expect(one?.bytes(typeFilterOf('run.started')).toString()).toBe(
      `id: 6\nevent: run.started\ndata: ${line(6, 'run.started').line}\n\n`,
    );
    expect(one?.bytes(typeFilterOf('run.failed'))).toHaveLength(0);
    broadcast.close();
  });

  it('keeps what it tells only while somebody catches up, and no more than it may', async () => {
    const { run, broadcast } = begin();
    await run.commit(line(5));
    expect(broadcast.since(5)).toEqual([]);
    expect(broadcast.since(4)).toBeUndefined();
    const first = broadcast.catchUp();
    const second = broadcast.catchUp();
    await run.commit(line(6), line(7));
    await run.commit(line(8));
    const told = (seq: number): number[][] | undefined =>
      broadcast.since(seq)?.map((frames) => [frames.first, frames.last]);
    expect(told(5)).toEqual([
      [6, 7],
      [8, 8],
    ]);
    expect(told(6)).toEqual([
      [6, 7],
      [8, 8],
    ]);
    expect(told(7)).toEqual([[8, 8]]);
    expect(told(9)).toEqual([]);
    expect(told(4)).toBeUndefined();
    first.done();
    first.done();
    await run.commit(line(9, 'log.written', 1_500_000));
    await run.commit(line(10, 'log.written', 1_500_000));
    expect(told(8)).toBeUndefined();
    expect(told(9)).toEqual([[10, 10]]);
    second.done();
    expect(told(9)).toBeUndefined();
    broadcast.close();
  });

  it('keeps the commit that is being told for those who cannot take it, framed for all', async () => {
    const { run, broadcast } = begin();
    const kept: CommitFrames[] = [];
    for (let listener = 0; listener < 2; listener += 1)
      broadcast.attach(
        {
          onCommit: () => {
            broadcast.catchUp();
            kept.push(...(broadcast.since(4) ?? []));
          },
          onOver: () => undefined,
        },
        4,
      );
    await run.commit(line(5), line(6));
    expect(kept.map(({ first, last }) => [first, last])).toEqual([
      [5, 6],
      [5, 6],
    ]);
    expect(kept[0]?.bytes(undefined)).toBe(kept[1]?.bytes(undefined));
    broadcast.close();
  });

  it('tells its listeners that the run is over, also those who come later', async () => {
    const { run, broadcast } = begin();
    const early = new Recorder();
    const left = new Recorder();
    broadcast.attach(early, 4);
    broadcast.attach(left, 4);
    broadcast.detach(left);
    await run.commit(line(5, 'run.succeeded'));
    await run.end();
    const late = new Recorder();
    expect(broadcast.attach(late, 4)).toBe(false);
    expect(broadcast.attach(late, 5)).toBe(true);
    expect([early.over, left.over, late.over]).toEqual([[false], [], [false]]);
    expect(early.frames.map(({ isEnd }) => isEnd)).toEqual([true]);
  });
});
