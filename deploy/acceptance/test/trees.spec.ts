import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Run, RunledgerClient } from '@runledger/client';
import { waitFor } from '@runledger/testkit';
import { startCell, type Cell } from './cell.ts';

/** Trees of runs on two of each service, each with its own identity at the broker. */
describe('trees of runs', () => {
  let cell: Cell;
  let ann: RunledgerClient;

  beforeAll(async () => {
    cell = await startCell({ replicas: 2, env: { RUNLEDGER_LEASE_S: '2' } });
    ann = await cell.client('ann');
  }, 120_000);
  afterAll(() => cell.stop());

  const ended = (runId: string, timeoutMs: number): Promise<Run> =>
    waitFor(async () => ann.getRun(runId).then((run) => (run.completed_at ? run : undefined)), {
      timeoutMs,
      describe: `run ${runId} to end`,
    });

  async function eventsOf(runId: string): Promise<{ type: string; data: Record<string, unknown> }[]> {
    const { events } = await ann.events(runId, { limit: 1_000 });
    return events;
  }

  async function childrenOf(runId: string): Promise<string[]> {
    const spawned = (await eventsOf(runId)).filter((event) => event.type === 'child.spawned');
    const ids = spawned.map((event) => String(event.data['child_run_id']));
    return [...ids, ...(await Promise.all(ids.map(childrenOf))).flat()];
  }

  it('finish with every tick once when an executor is killed in the middle', async () => {
    const input = { depth: 2, width: [3, 2], every_ms: 100, count: 25 };
    const { run_id } = await ann.start({ agent_id: 'tree', input });
    await waitFor(async () => (await childrenOf(run_id)).length === 9, { describe: 'ten runs' });
    const [executor] = cell.of('agent-executor');
    await executor?.end('SIGKILL');
    await executor?.start();
    expect(await ended(run_id, 60_000)).toMatchObject({
      status: 'success',
      result: { runs: 10, ticks: 250 },
    });
    for (const id of [run_id, ...(await childrenOf(run_id))]) {
      const ticks = (await eventsOf(id)).filter((event) => event.type === 'milestone.reached');
      expect(ticks).toHaveLength(25);
    }
  }, 120_000);

  it('stop as a whole, also when an executor is killed during the stop', async () => {
    const input = { depth: 2, width: [3, 2], every_ms: 100, count: 1_000 };
    const { run_id } = await ann.start({ agent_id: 'tree', input });
    await waitFor(async () => (await childrenOf(run_id)).length === 9, { describe: 'ten runs' });
    const [, executor] = cell.of('agent-executor');
    await ann.stop(run_id);
    await executor?.end('SIGKILL');
    await executor?.start();
    expect(await ended(run_id, 60_000)).toMatchObject({ status: 'stopped' });
    const below = await childrenOf(run_id);
    expect(below).toHaveLength(9);
    for (const id of below) expect((await eventsOf(id)).at(-1)?.type).toBe('run.stopped');
  }, 120_000);

  it('wait at their limit of money', async () => {
    const input = { turns: 5, cost_usd_per_turn: 0.02 };
    const { run_id } = await ann.start({ agent_id: 'spender', input, limits: { max_cost_usd: 0.05 } });
    const waiting = await waitFor(
      async () => ann.getRun(run_id).then((run) => (run.status === 'waiting' ? run : undefined)),
      { describe: 'the run waits' },
    );
    expect(waiting).toMatchObject({ waiting_on: 'budget', usage: { cost_usd: 0.04 } });
    await ann.stop(run_id);
    expect(await ended(run_id, 10_000)).toMatchObject({ status: 'stopped' });
  }, 60_000);
});
