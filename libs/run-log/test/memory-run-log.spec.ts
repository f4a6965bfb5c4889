import { afterAll, describe, expect, it } from '@jest/globals';
import type { RunAddress } from '../src/index.ts';
import { MemoryRunLog } from '../src/index.ts';
import { MemoryCommitStore } from '../src/memory/memory-commit-store.ts';
import { runLogContract } from './run-log.contract.ts';
import { someAddress, someBegin, someLog, someone, someStart } from './samples.ts';

runLogContract('memory', async () => {
  const store = new MemoryCommitStore();
  return {
    open: (writer) => new MemoryRunLog({ writer }, store),
    beginErasing: async (address) => store.beginErasing(address),
    close: async () => undefined,
  };
});

/** A store that another writer appends to between every look of a command and its append, so many times. */
class BusyStore extends MemoryCommitStore {
  read = 0;
  between: (() => Promise<unknown>) | undefined;

  override async *range(
    ...args: Parameters<MemoryCommitStore['range']>
  ): ReturnType<MemoryCommitStore['range']> {
    for await (const commit of super.range(...args)) {
      this.read += 1;
      yield commit;
    }
  }

  override async append(
    ...args: Parameters<MemoryCommitStore['append']>
  ): ReturnType<MemoryCommitStore['append']> {
    const between = this.between;
    this.between = undefined;
    await between?.();
    return super.append(...args);
  }
}

describe('a command beside a busy holder of a long run', () => {
  const store = new BusyStore();
  const holder = new MemoryRunLog({ writer: 'agent-executor/one' }, store);
  const log = new MemoryRunLog({ writer: 'gateway/two' }, store);
  afterAll(async () => {
    await log.close();
    await holder.close();
  });

  async function longRun(address: RunAddress): Promise<{ write: () => Promise<unknown>; commits: number }> {
    await log.completeStart(log.prepareStart(someStart(address), address));
    const begun = await holder.execute(address, () => someBegin());
    if (begun.refusal) throw new Error(begun.refusal.detail);
    const held = await holder.hold(address, begun);
    let index = 0;
    const write = (): Promise<unknown> => held.record([someLog(index++)]);
    for (let commit = 0; commit < 100; commit += 1) await write();
    return { write, commits: 102 };
  }

  it('reads the whole run once, and after a refused append only what came since', async () => {
    const address = someAddress();
    const { write, commits } = await longRun(address);
    let refusals = 0;
    const again = async (): Promise<void> => {
      await write();
      refusals += 1;
      if (refusals < 5) store.between = again;
    };
    store.read = 0;
    store.between = again;
    const done = await log.execute(address, () => ({
      type: 'RequestStop',
      by: someone,
      mode: 'kill',
      reason: 'enough',
    }));
    if (done.refusal) throw new Error(`the stop was refused: ${done.refusal.detail}`);
    expect(refusals).toBe(5);
    expect(store.read).toBeLessThan(2 * commits);
    expect((await log.load(address)).run).toMatchObject({ status: 'stopping', seq: done.run.seq });
    expect(done.digest).toBe((await log.load(address)).digest);
  });
});
