import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { evolve, emptyRun, type Command, type RunEvent } from '@runledger/run';
import { waitFor } from '@runledger/testkit';
import { chainDigest, decodeEvent } from '@runledger/wire';
import {
  HoldLost,
  RunErased,
  type HeldRun,
  type RunAddress,
  type RunLog,
  type StoredLine,
} from '../src/index.ts';
import { someAddress, someBegin, someLog, someone, someStart } from './samples.ts';

export interface LogUnderTest {
  /** A process's own view of one shared log: each call another writer. */
  open(writer: string): RunLog;
  /** Gives the run a tombstone and takes its first commit away. */
  beginErasing(address: RunAddress): Promise<void>;
  close(): Promise<void>;
}

/** What every implementation of the log keeps; two logs are two processes. */
export function runLogContract(name: string, start: () => Promise<LogUnderTest>): void {
  describe(`run log on ${name}`, () => {
    let under: LogUnderTest;
    let log: RunLog;
    let other: RunLog;

    beforeAll(async () => {
      under = await start();
      log = under.open('gateway/one');
      other = under.open('agent-executor/two');
    }, 90_000);
    afterAll(async () => {
      await log.close();
      await other.close();
      await under.close();
    });

    const begun = async (): Promise<RunAddress> => {
      const address = someAddress();
      await log.completeStart(log.prepareStart(someStart(address), address));
      return address;
    };
    const held = async (executor = 'executor-1', by = other): Promise<HeldRun> => {
      const address = await begun();
      const done = await by.execute(address, () => someBegin(executor));
      if (done.refusal) throw new Error(done.refusal.detail);
      return by.hold(address, done);
    };
    const everything = async (address: RunAddress): Promise<StoredLine[]> =>
      (await log.page(address, 0, 1_000_000)).lines;
    const stop: Command = { type: 'RequestStop', by: someone, mode: 'cooperative', reason: 'enough' };
    const succeed = (run: HeldRun): Promise<unknown> =>
      run.submit({
        type: 'SucceedRun',
        held_by: { executor: 'executor-1', attempt: 1 },
        result: null,
        schema_warnings: [],
      });

    it('answers a run that does not exist with status none and nothing to read', async () => {
      const address = someAddress();
      expect((await log.load(address)).run.status).toBe('none');
      expect(await log.page(address, 0, 10)).toEqual({ lines: [], last_seq: 0, ended: false, digest: '' });
    });

    it('stores a prepared start once, however often and by whomever it is completed', async () => {
      const address = someAddress();
      const start = log.prepareStart(someStart(address), address);
      const results = await Promise.all([
        log.completeStart(start),
        other.completeStart(start),
        log.completeStart(start),
      ]);
      expect(new Set(results.map((result) => result.digest)).size).toBe(1);
      const lines = await everything(address);
      expect(lines.map((line) => line.type)).toEqual(['run.requested']);
      expect(lines[0]?.line).toBe(start.payload.trimEnd());
    });

    it('lets exactly one of many concurrent commands through, and answers the others from what it did', async () => {
      const address = await begun();
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, index) =>
          (index % 2 ? log : other).execute(address, () => someBegin(`executor-${index}`)),
        ),
      );
      expect(answers.filter((answer) => !answer.refusal)).toHaveLength(1);
      expect((await everything(address)).map((line) => line.type)).toEqual(['run.requested', 'run.started']);
    });

    it('packs what arrives while an append is in flight into the next commit, numbered without holes', async () => {
      const run = await held();
      await Promise.all(Array.from({ length: 400 }, (_, index) => run.record([someLog(index)])));
      await succeed(run);
      await run.release();
      const lines = await everything(run.address);
      expect(lines.map((line) => line.seq)).toEqual(lines.map((_, index) => index + 1));
      expect(lines).toHaveLength(403);
      const { digest, ended, last_seq } = await log.page(run.address, 403, 10);
      expect({ ended, last_seq }).toEqual({ ended: true, last_seq: 403 });
      expect(digest).toBe(
        chainDigest(
          '',
          lines.map((line) => line.line),
        ),
      );
      expect((await log.load(run.address)).commits).toBeLessThan(60);
    });

    it('has every commit with the digest that it was stored with', async () => {
      const run = await held();
      await Promise.all(Array.from({ length: 40 }, (_, index) => run.record([someLog(index)])));
      await succeed(run);
      await run.release();
      const { last_seq, digest, commits } = await log.commits(run.address);
      let chained = '';
      const lines: StoredLine[] = [];
      for await (const commit of commits) {
        chained = chainDigest(
          chained,
          commit.lines.map(({ line }) => line),
        );
        expect(commit.digest).toBe(chained);
        lines.push(...commit.lines);
      }
      expect(lines).toEqual(await everything(run.address));
      expect([last_seq, digest]).toEqual([43, chained]);
    });

    it('reads on from any event: as lines, as whole commits, and as the bytes that are stored', async () => {
      const run = await held();
      for (let round = 0; round < 6; round += 1)
        await run.record([someLog(round), someLog(round), someLog(round, 'ünïcödé ☃')]);
      await run.release();
      const all = await everything(run.address);
      const text = (lines: readonly StoredLine[]): string => lines.map(({ line }) => `${line}\n`).join('');
      for (const after of [...all.keys(), all.length]) {
        const wanted = all.slice(after);
        const { last_seq, digest, chunks } = await log.bytes(run.address, after);
        let next = after + 1;
        let bytes = Buffer.alloc(0);
        const types: string[] = [];
        const digests: string[] = [];
        for await (const chunk of chunks) {
          expect(chunk.first).toBe(next);
          next = chunk.last + 1;
          types.push(...chunk.types);
          digests.push(chunk.digest);
          bytes = Buffer.concat([bytes, chunk.bytes]);
        }
        expect([last_seq, next, bytes.toString()]).toEqual([all.length, all.length + 1, text(wanted)]);
        expect(types).toEqual(wanted.map(({ type }) => type));
        if (after < all.length) expect(digests.at(-1)).toBe(digest);
        const lines: StoredLine[] = [];
        for await (const commit of (await log.commits(run.address, after)).commits)
          lines.push(...commit.lines);
        expect(lines.filter(({ seq }) => seq > after)).toEqual(wanted);
        expect((await log.page(run.address, after, 1_000)).lines).toEqual(wanted);
      }
    });

    it('tells the holder of a stop once, and goes on with what may still be recorded', async () => {
      const run = await held();
      const heard: RunEvent[] = [];
      run.onForeign((event) => heard.push(event));
      await run.record([someLog(1)]);
      const stopped = await log.execute(run.address, () => stop);
      expect(stopped.refusal).toBeUndefined();
      await waitFor(() => Promise.resolve(heard.length > 0), {
        timeoutMs: 5_000,
        describe: 'the stop to reach the holder',
      });
      expect(heard.map((event) => event.type)).toEqual(['stop.requested']);
      const observe: Command = {
        type: 'ObserveStop',
        held_by: { executor: 'executor-1', attempt: 1 },
        boundary: 'model',
        in_flight: [],
        latency_ms: 1,
      };
      expect(await run.submit(observe)).toBeUndefined();
      await run.submit({
        type: 'FinishStop',
        held_by: { executor: 'executor-1', attempt: 1 },
        by: someone,
        reason: 'enough',
      });
      await run.release();
      expect((await log.load(run.address)).run.status).toBe('stopped');
    });

    it('gets a command in beside a holder that writes without a pause', async () => {
      const run = await held();
      let writing = true;
      const writer = (async () => {
        for (let index = 0; writing; index++) await run.record([someLog(index)]);
      })();
      const answers = [];
      for (let index = 0; index < 5; index++)
        answers.push(
          await log.execute(run.address, () => ({
            type: 'SendNudge',
            nudge_id: `nudge-${index}`,
            by: someone,
            message: 'hello',
          })),
        );
      writing = false;
      await writer;
      await run.release();
      expect(answers.map((answer) => answer.refusal)).toEqual(answers.map(() => undefined));
      const lines = await everything(run.address);
      expect(lines.filter((line) => line.type === 'nudge.received')).toHaveLength(5);
      expect(lines.map((line) => line.seq)).toEqual(lines.map((_, index) => index + 1));
    });

    it('fences a holder that was taken over: nothing of it is accepted, and it lets go', async () => {
      const run = await held('executor-1');
      await run.record([someLog(1)]);
      const taken = await log.execute(run.address, () => ({
        ...(someBegin('executor-2') as Extract<Command, { type: 'BeginAttempt' }>),
        delivery: 2,
        lost: 'lease_expired',
      }));
      expect(taken.refusal).toBeUndefined();
      await expect(run.record([someLog(2)])).rejects.toBeInstanceOf(HoldLost);
      expect(run.lost.aborted).toBe(true);
      await run.release();
      expect((await everything(run.address)).filter((line) => line.type === 'log.written')).toHaveLength(1);
    });

    it('answers a refusal of a queued command without losing the ones around it', async () => {
      const run = await held();
      const [first, refused, last] = await Promise.all([
        run.record([someLog(1)]),
        run.submit({
          type: 'FinishStop',
          held_by: { executor: 'executor-1', attempt: 1 },
          by: someone,
          reason: 'none asked',
        }),
        run.record([someLog(2)]),
      ]);
      expect([first, last]).toEqual([undefined, undefined]);
      expect(refused?.code).toEqual(expect.any(String));
      await run.release();
    });

    it('refuses events that cannot fit a commit, and goes on', async () => {
      const run = await held();
      await expect(run.record([someLog(1, 'x'.repeat(300_000))])).rejects.toBeInstanceOf(RangeError);
      expect(await run.record([someLog(1)])).toBeUndefined();
      await run.release();
    });

    it('loads from a checkpoint to the same state as from the beginning', async () => {
      const run = await held();
      for (let round = 0; round < 13; round++)
        await Promise.all(
          Array.from({ length: 100 }, (_, index) => run.record([someLog(round * 100 + index)])),
        );
      const loaded = await log.load(run.address);
      expect(loaded.checkpoint).toBeGreaterThan(0);
      const folded = (await everything(run.address))
        .map((line) => decodeEvent(line.line))
        .reduce(evolve, emptyRun(run.address.run_id));
      expect(loaded.run).toEqual(folded);
      await run.release();
    });

    it('pages forward and back by any limit to the same bytes', async () => {
      const run = await held();
      await Promise.all(Array.from({ length: 250 }, (_, index) => run.record([someLog(index)])));
      await run.release();
      const whole = (await everything(run.address)).map((line) => line.line);
      for (const limit of [1, 7, 100, 1_000]) {
        const lines: string[] = [];
        for (;;) {
          const page = await log.page(run.address, lines.length, limit);
          lines.push(...page.lines.map((line) => line.line));
          if (lines.length >= page.last_seq) break;
        }
        expect(lines).toEqual(whole);
      }
    });

    it('shows every observer that attaches at any moment the same bytes, without hole or repeat', async () => {
      const run = await held();
      const observers: Promise<string[]>[] = [];
      const observe = async (after: number): Promise<string[]> => {
        const lines: string[] = [];
        for await (const batch of log.follow(run.address, { after }))
          lines.push(...batch.map((line) => line.line));
        return lines;
      };
      for (let index = 0; index < 600; index++) {
        const stored = run.record([someLog(index)]);
        if (index % 20 === 0) observers.push(observe(0));
        if (index % 3 === 0) await stored;
      }
      await succeed(run);
      await run.release();
      const whole = (await everything(run.address)).map((line) => line.line);
      for (const lines of await Promise.all(observers)) expect(lines).toEqual(whole);
      expect(await observe(600)).toEqual(whole.slice(600));
      expect(await observe(whole.length)).toEqual([]);
    });

    it('ends a follower when it is told to, and keeps the feed for the others', async () => {
      const run = await held();
      const stopOne = new AbortController();
      const iterate = async (signal?: AbortSignal): Promise<number> => {
        let seen = 0;
        for await (const batch of log.follow(run.address, signal ? { after: 0, signal } : { after: 0 }))
          seen += batch.length;
        return seen;
      };
      const one = iterate(stopOne.signal);
      const two = iterate();
      await run.record([someLog(1)]);
      stopOne.abort();
      expect(await one).toBeLessThanOrEqual(3);
      await succeed(run);
      await run.release();
      expect(await two).toBe(4);
    });

    it('keeps blobs by their digest', async () => {
      const address = await begun();
      const text = JSON.stringify('ü'.repeat(100_000));
      const reference = await log.putBlob(address, text);
      expect(reference).toEqual({
        blob: expect.stringMatching(/^[0-9a-f]{64}$/),
        bytes: Buffer.byteLength(text),
        preview: text.slice(0, 200),
      });
      await other.putBlob(address, text);
      expect(await other.getBlob(address, reference.blob)).toBe(text);
      expect(await other.getBlob(address, 'f'.repeat(64))).toBeUndefined();
    });

    it('creates no erased run again, and asks nobody about a start that is fresh', async () => {
      const address = await begun();
      const late = someAddress();
      const start = log.prepareStart(someStart(late), late);
      await under.beginErasing(address);
      await under.beginErasing(late);
      expect([await other.isErased(address), await other.isErased(await begun())]).toEqual([true, false]);
      await expect(other.completeStart(start)).rejects.toThrow(RunErased);
      await expect(other.execute(late, () => someStart(late))).rejects.toThrow(RunErased);
      expect((await log.page(late, 0, 0)).last_seq).toBe(0);
      const fresh = someAddress();
      await log.completeStart(log.prepareStart(someStart(fresh), fresh), { fresh: true });
      expect((await log.page(fresh, 0, 0)).last_seq).toBe(1);
    });

    it('serves a run that is being erased to nobody in part', async () => {
      const address = await begun();
      await log.execute(address, () => someBegin());
      await under.beginErasing(address);
      await expect(other.page(address, 0, 10)).rejects.toThrow(RunErased);
      await expect(other.follow(address, { after: 0 })[Symbol.asyncIterator]().next()).rejects.toThrow(
        RunErased,
      );
      await expect(other.load(address)).rejects.toMatchObject({ kind: 'fault' });
    });

    it('scans every commit of every run in the order of the log', async () => {
      const address = await begun();
      await log.execute(address, () => stop);
      const seen: string[] = [];
      let previous = 0;
      for await (const commit of log.scan()) {
        expect(commit.stream_seq).toBeGreaterThan(previous);
        previous = commit.stream_seq;
        if (commit.address.run_id === address.run_id) seen.push(...commit.lines.map((line) => line.type));
      }
      expect(seen).toEqual(['run.requested', 'stop.requested', 'stop.observed', 'run.stopped']);
    });
  });
}
