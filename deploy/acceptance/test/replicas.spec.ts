import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Run, RunledgerClient } from '@runledger/client';
import { journal, waitFor } from '@runledger/testkit';
import { startCell, type Cell } from './cell.ts';

const LIMIT = 4;

/** Three brokers, three replicas of every stream, and three processes of every service but the gateway. */
describe('three brokers and three of each service', () => {
  let cell: Cell;
  let client: RunledgerClient;

  beforeAll(async () => {
    cell = await startCell({ brokers: 3, replicas: 3, env: { RUNLEDGER_ROOT_RUNS_PER_USER: String(LIMIT) } });
    client = await cell.client('ann');
  }, 240_000);
  afterAll(() => cell.stop(), 60_000);

  const ended = (ids: readonly string[], timeoutMs: number): Promise<Run[]> =>
    waitFor(
      async () => {
        const runs = await Promise.all(ids.map((id) => client.getRun(id)));
        return runs.every((run) => run.completed_at) ? runs : undefined;
      },
      { timeoutMs, everyMs: 250, describe: `${ids.length} runs to end` },
    );

  it('starts every run once, never passes the limit of a user, and writes each view once', async () => {
    const started = await Promise.all(
      Array.from({ length: 24 }, () =>
        client.start({ agent_id: 'ticker', input: { count: 5, every_ms: 60 } }),
      ),
    );
    const ids = started.map((run) => run.run_id);
    let most = 0;
    const runs = await waitFor(
      async () => {
        const all = await Promise.all(ids.map((id) => client.getRun(id)));
        most = Math.max(most, all.filter((run) => run.status === 'running').length);
        return all.every((run) => run.completed_at) ? all : undefined;
      },
      { timeoutMs: 60_000, describe: '24 runs to end' },
    );
    expect(runs.map((run) => [run.status, run.attempt])).toEqual(ids.map(() => ['success', 1]));
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(LIMIT);
    await waitFor(
      async () =>
        (await client.listRuns({ limit: 100 })).runs.filter((run) => run.status === 'success').length === 24,
      {
        timeoutMs: 20_000,
        describe: 'the views to agree',
      },
    );
  }, 120_000);

  it('takes the loss of a leader as a pause: no start is refused, every run ends, nothing twice', async () => {
    const acknowledged = journal();
    const ids: string[] = [];
    const start = async (): Promise<void> => {
      const { run_id } = await client.start({ agent_id: 'ticker', input: { count: 20, every_ms: 100 } });
      acknowledged.attempted(run_id);
      acknowledged.acknowledged(run_id);
      ids.push(run_id);
    };
    for (let index = 0; index < 4; index++) await start();
    const leader = await cell.leaderOf('RUNS');
    await leader.kill();
    for (let index = 0; index < 4; index++) await start();
    await leader.restart();
    const runs = await ended(ids, 120_000);
    expect(runs.map((run) => run.status)).toEqual(ids.map(() => 'success'));
    acknowledged.check(runs.map((run) => run.run_id));
    for (const { run_id, seq } of runs) {
      const { events } = await client.events(run_id, { limit: 1_000 });
      expect(events.map((event) => event.seq)).toEqual(Array.from({ length: seq }, (_, index) => index + 1));
      const ticks = events
        .filter((event) => event.type === 'milestone.reached')
        .map((event) => (event.data as { name: string }).name);
      expect(ticks).toEqual(Array.from({ length: 20 }, (_, index) => `tick ${index + 1}`));
    }
    expect(cell.processes.filter((process) => !process.runs).map((process) => process.name)).toEqual([]);
  }, 240_000);
});
