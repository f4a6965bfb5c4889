import { describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import type { Command } from '@runledger/run';
import { journal, waitFor } from '@runledger/testkit';
import type { EncodedCommit } from '@runledger/wire';
import { LogUnavailable, MemoryRunLog, type HeldRun, type RunAddress, type RunLog } from '../src/index.ts';
import type { Appended, StoredCommit } from '../src/engine/commit-store.ts';
import { MemoryCommitStore } from '../src/memory/memory-commit-store.ts';
import { startLogServer } from './log-server.ts';
import { someAddress, someBegin, someLog, someone, someStart } from './samples.ts';

/** Half of the appends get no answer: of these, half have landed. */
class UncertainStore extends MemoryCommitStore {
  #calls = 0;

  override async append(address: RunAddress, encoded: EncodedCommit, expectation: number): Promise<Appended> {
    const turn = this.#calls++ % 4;
    if (turn === 1) return { outcome: 'unknown', cause: 'time-out before it landed' };
    const answer = await super.append(address, encoded, expectation);
    return turn === 3 ? { outcome: 'unknown', cause: 'time-out after it landed' } : answer;
  }
}

async function start(log: RunLog): Promise<RunAddress> {
  const address = someAddress();
  await log.completeStart(log.prepareStart(someStart(address), address));
  return address;
}

/** Never answers an append, and keeps how long it was allowed to wait. */
class SilentStore extends MemoryCommitStore {
  readonly allowedMs: (number | undefined)[] = [];

  override async append(
    _address: RunAddress,
    _encoded: EncodedCommit,
    _expectation: number,
    mostMs?: number,
  ): Promise<Appended> {
    this.allowedMs.push(mostMs);
    return { outcome: 'unknown', cause: 'no answer' };
  }
}

/** Counts how often the leader is asked for what landed after a commit; `failing` says which of the next questions fail. */
class FaultyReads extends MemoryCommitStore {
  asked = 0;
  failing: boolean[] = [];

  override async next(address: RunAddress, after: number): Promise<StoredCommit | undefined> {
    this.asked += 1;
    if (this.failing.shift()) throw new LogUnavailable('log_unavailable', 'no answer');
    return super.next(address, after);
  }
}

async function hold(log: RunLog, address: RunAddress, begin = someBegin()): Promise<HeldRun> {
  const begun = await log.execute(address, () => begin);
  if (begun.refusal) throw new Error(begun.refusal.detail);
  return log.hold(address, begun);
}

/** Whatever was known before this is older than `ms` after it. */
async function waitUntilOlder(ms: number): Promise<void> {
  const since = performance.now();
  await waitFor(() => performance.now() - since > ms, { describe: `${ms} ms`, everyMs: 1 });
}

describe('the log under faults', () => {
  it('waits no longer for one answer than its caller has patience, and says that the outcome is unknown', async () => {
    const store = new SilentStore();
    const log = new MemoryRunLog({ writer: 'gateway/one', patienceMs: 100 }, store);
    await expect(start(log)).rejects.toMatchObject({ code: 'outcome_unknown' });
    expect(store.allowedMs[0]).toBeGreaterThan(0);
    expect(Math.max(...store.allowedMs.map(Number))).toBeLessThanOrEqual(100);
    await log.close();
  });

  it('recognises its own commits when answers are lost: nothing twice, nothing missing, no false conflict', async () => {
    const store = new UncertainStore();
    const log = new MemoryRunLog({ writer: 'gateway/one' }, store);
    const address = await start(log);
    const begun = await log.execute(address, () => someBegin());
    if (begun.refusal) throw new Error(begun.refusal.detail);
    const run = await log.hold(address, begun);
    for (let index = 0; index < 40; index++) expect(await run.record([someLog(index)])).toBeUndefined();
    await run.release();
    const stopped = await log.execute(address, () => ({
      type: 'RequestStop',
      by: someone,
      mode: 'cooperative',
      reason: '',
    }));
    expect(stopped.refusal).toBeUndefined();
    const { lines } = await log.page(address, 0, 1_000);
    expect(lines.map((line) => line.seq)).toEqual(lines.map((_, index) => index + 1));
    expect(lines.filter((line) => line.type === 'log.written')).toHaveLength(40);
    expect(lines.filter((line) => line.type === 'stop.requested')).toHaveLength(1);
  });

  it('says outcome_unknown, never failed, when it gives up on an append that may have landed', async () => {
    class Silent extends MemoryCommitStore {
      override async append(): Promise<Appended> {
        return { outcome: 'unknown', cause: 'silence' };
      }
    }
    const log = new MemoryRunLog({ writer: 'gateway/one', patienceMs: 50 }, new Silent());
    await expect(start(log)).rejects.toMatchObject({ kind: 'fault', code: 'outcome_unknown' });
  });

  it('records a command once that lost to another while what won could not be read', async () => {
    const store = new FaultyReads();
    const log = new MemoryRunLog({ writer: 'agent-executor/one' }, store);
    const other = new MemoryRunLog({ writer: 'gateway/one' }, store);
    const address = await start(log);
    const run = await hold(log, address);
    await other.execute(address, () => ({ type: 'PauseRun', by: someone, reason: '' }));
    // The first question tells that another won; the second, for what won, finds no answer.
    store.failing = [false, true];
    expect(await run.record([someLog(1)])).toBeUndefined();
    expect(store.failing).toEqual([]);
    await run.release();
    const { lines } = await log.page(address, 0, 100);
    expect(lines.filter((line) => line.type === 'log.written')).toHaveLength(1);
    expect(lines.map((line) => line.seq)).toEqual(lines.map((_, index) => index + 1));
  });

  it('confirms a hold without a question when the log has just been asked, and else asks its leader', async () => {
    const store = new FaultyReads();
    const log = new MemoryRunLog({ writer: 'agent-executor/one' }, store);
    const address = await start(log);
    const run = await hold(log, address);
    const before = store.asked;
    await run.confirm(60_000);
    expect(store.asked).toBe(before);
    await waitUntilOlder(5);
    store.failing = [true, true];
    await run.confirm(4);
    expect(store.asked).toBeGreaterThanOrEqual(before + 3);
    await run.release();
    await expect(run.confirm(60_000)).rejects.toMatchObject({ cause_code: 'released' });
  });

  it('confirms no hold that another has taken over meanwhile', async () => {
    class Deaf extends MemoryCommitStore {
      override watch(): ReturnType<MemoryCommitStore['watch']> {
        return { ready: Promise.resolve(), close: () => undefined };
      }
    }
    const store = new Deaf();
    const log = new MemoryRunLog({ writer: 'agent-executor/one' }, store);
    const other = new MemoryRunLog({ writer: 'agent-executor/two' }, store);
    const address = await start(log);
    const run = await hold(log, address);
    const takeOver = { ...someBegin('executor-2'), delivery: 2, lost: 'lease_expired' } as Command;
    const second = await hold(other, address, takeOver);
    await waitUntilOlder(2);
    await expect(run.confirm(1)).rejects.toMatchObject({ cause_code: 'taken_over' });
    expect(run.lost.aborted).toBe(true);
    await second.confirm(60_000);
    await second.release();
  });

  it('loses nothing that was acknowledged and stores nothing twice while the broker is killed and restarted', async () => {
    const under = await startLogServer();
    const log = under.open('agent-executor/one', { patienceMs: 60_000 });
    const acknowledged = journal();
    const address = await start(log);
    const begun = await log.execute(address, () => someBegin());
    if (begun.refusal) throw new Error(begun.refusal.detail);
    const run = await log.hold(address, begun);
    let writing = true;
    const writer = (async () => {
      for (let index = 0; writing; index++) {
        acknowledged.attempted(`line ${index}`);
        await run.record([someLog(index)]);
        acknowledged.acknowledged(`line ${index}`);
      }
    })();
    for (let kill = 0; kill < 3; kill++) await under.server.restart();
    writing = false;
    await writer;
    await run.release();
    const { lines } = await log.page(address, 0, 1_000_000);
    const messages = lines
      .filter((line) => line.type === 'log.written')
      .map((line) => (JSON.parse(line.line) as { data: { message: string } }).data.message);
    acknowledged.check(messages);
    expect(lines.map((line) => line.seq)).toEqual(lines.map((_, index) => index + 1));
    await log.close();
    await under.close();
  });

  it('says log_full when the stream takes no more, keeps what it had, and goes on when there is room', async () => {
    const under = await startLogServer();
    const log = under.open('gateway/one', { patienceMs: 300 });
    const address = await start(log);
    const jsm = await jetstreamManager(under.broker.nc);
    const { state, config } = await jsm.streams.info('RUNS');
    await jsm.streams.update('RUNS', { max_bytes: state.bytes + 10 });
    await expect(start(log)).rejects.toMatchObject({ code: 'log_full' });
    await expect(log.execute(address, () => someBegin())).rejects.toBeInstanceOf(LogUnavailable);
    expect((await log.page(address, 0, 10)).lines).toHaveLength(1);
    await jsm.streams.update('RUNS', { max_bytes: config.max_bytes });
    expect((await log.execute(address, () => someBegin())).refusal).toBeUndefined();
    await log.close();
    await under.close();
  });
});
