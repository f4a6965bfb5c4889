import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { MemoryRunLog, type RunAddress, type StoredLine } from '@runledger/run-log';
import type { ServiceContext } from '@runledger/service-host';
import { Broadcasts } from '../src/stream/broadcasts.ts';
import type { CommitFrames } from '../src/stream/commit-frames.ts';
import { RunWatcher, type Sink } from '../src/stream/run-watcher.ts';
import { PretendExecutor } from './pretend-executor.ts';

const ADDRESS: RunAddress = { tenant_id: 'acme', run_id: '01M7Z1VMDZR630TW9CBWM0QVWA' };

/** A reader that takes everything, now at once and now after a while. */
class Taker implements Sink {
  readonly hasLeft = false;
  readonly seqs: number[] = [];

  constructor(private readonly isSlow: boolean) {}

  async replay(lines: readonly StoredLine[]): Promise<boolean> {
    this.seqs.push(...lines.map(({ seq }) => seq));
    if (this.isSlow) await turn();
    return true;
  }

  async flush(): Promise<boolean> {
    return true;
  }

  replayFramed(frames: CommitFrames, after: number): Promise<boolean> {
    return this.replay(frames.after(after).lines);
  }

  offer(frames: CommitFrames, after: number): boolean {
    if (this.isSlow && frames.last % 7 === 0) return false;
    this.seqs.push(...frames.after(after).lines.map(({ seq }) => seq));
    return true;
  }

  async recover(): Promise<boolean> {
    await turn();
    return true;
  }

  onGone(): () => void {
    return () => undefined;
  }
}

describe('where replay ends and live begins', () => {
  it('nobody misses an event or gets one twice, whenever and wherever they attach', async () => {
    const runLog = new MemoryRunLog({ writer: 'agent-executor/spec' });
    const context = { runLog, logger: { warn: () => undefined } } as unknown as ServiceContext;
    const watcher = new RunWatcher(context, new Broadcasts(context));
    await startRun(runLog);
    const executor = await PretendExecutor.begin(runLog, ADDRESS.run_id);
    const takers: { taker: Taker; after: number }[] = [];
    const watching: Promise<void>[] = [];
    for (let round = 0; round < 400; round += 1) {
      const { last_seq: lastSeq } = await runLog.page(ADDRESS, 0, 0);
      const after = Math.max(0, lastSeq - (round % 23));
      const taker = new Taker(round % 3 === 0);
      takers.push({ taker, after });
      const said = executor.say(`${round}`);
      // From a few microtasks before the commit is told to a few after it.
      for (let tick = 0; tick < round % 40; tick += 1) await Promise.resolve();
      watching.push(watcher.watch(ADDRESS, after, { lastSeq, ended: false }, taker));
      await said;
    }
    await executor.succeed('done');
    await Promise.all(watching);
    const { last_seq } = await runLog.page(ADDRESS, 0, 0);
    for (const { taker, after } of takers)
      expect(taker.seqs).toEqual(Array.from({ length: last_seq - after }, (_, at) => after + 1 + at));
    await runLog.close();
  });
});

async function startRun(runLog: MemoryRunLog): Promise<void> {
  const start = runLog.prepareStart(
    {
      type: 'StartRun',
      request: {
        agent_id: 'ticker',
        agent_name: 'Ticker',
        agent_revision: 1,
        agent_sha256: '0'.repeat(64),
        input: null,
        env_keys: [],
        tenant_id: ADDRESS.tenant_id,
        user_id: 'ann',
        channel: 'api',
        root_run_id: ADDRESS.run_id,
        depth: 0,
        labels: {},
        priority: 0,
        limits: { max_turns: null, max_cost_usd: null, timeout_s: null, max_attempts: 3 },
        trace: false,
        schema: 1,
      },
    },
    ADDRESS,
  );
  await runLog.completeStart(start, { fresh: true });
}
