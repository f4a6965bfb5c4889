import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Kvm } from '@nats-io/kv';
import type { AgentDefinition } from '@runledger/harness';
import type { RunningService } from '@runledger/service-host';
import { ulid } from 'ulid';
import type { Balance } from '../src/budget/tree-account.ts';
import { SAMPLE_AGENTS } from '../src/samples.ts';
import { codeAgent } from './agents.ts';
import { Cell } from './cell.ts';
import { recordAsGhost } from './ghost.ts';
import { startExecutor, startScheduler } from './test-executor.ts';

const spender = SAMPLE_AGENTS.find((agent) => agent.agent_id === 'spender') as AgentDefinition;

/** The executor starts when its predecessor is gone already. */
describe('what a holder that is gone leaves behind', () => {
  let cell: Cell;
  let scheduler: RunningService;
  let running: RunningService | undefined;

  beforeAll(async () => {
    cell = await Cell.start();
    scheduler = await startScheduler(cell);
  });
  afterEach(async () => {
    await running?.close();
    running = undefined;
  });
  afterAll(async () => {
    await scheduler.close();
    await cell.stop();
  });

  const executor = async (): Promise<void> => {
    running = await startExecutor(cell);
  };

  const spawned = (child_run_id: string) => ({
    type: 'child.spawned' as const,
    data: { call_id: 'c0', index: 0, child_run_id, agent_id: 'leaf', input: 5 },
  });

  it('a child that was spawned and not created is created by the next holder', async () => {
    const caller = codeAgent('orphaned', `return tools.callAgent('leaf', 5);`);
    await cell.store(codeAgent('leaf', 'return input + 1;'));
    const lost = ulid();
    const address = await cell.request(caller, {});
    await recordAsGhost(cell, address, 'code', [spawned(lost)]);
    await executor();
    expect((await cell.ended(address)).data.result).toBe(6);
    expect((await cell.log.load({ ...address, run_id: lost })).run.status).toBe('success');
  });

  it('a child that was spawned and never created is stopped with its parent', async () => {
    const caller = codeAgent('orphaned', `return tools.callAgent('leaf', 5);`);
    const never = ulid();
    const stopped = await cell.request(caller, {});
    await recordAsGhost(cell, stopped, 'code', [spawned(never)]);
    await cell.requestStop(stopped);
    await executor();
    expect(await cell.ended(stopped)).toMatchObject({ type: 'run.stopped' });
    const types = (await cell.events({ ...stopped, run_id: never })).map((event) => event.type);
    expect(types).toEqual(['run.requested', 'stop.requested', 'stop.observed', 'run.stopped']);
  });

  it('nudges are heard again at the same call when the run is resumed', async () => {
    const body = `const heard = []; for (let i = 0; i < 5; i++) { await tools.step('look', () => 0); heard.push(tools.nudges().join()); } return heard;`;
    const address = await cell.request(codeAgent('again-listener', body), {});
    await recordAsGhost(cell, address, 'code', []);
    const nudge = async (nudge_id: string, message: string): Promise<void> => {
      await cell.log.execute(address, () => ({
        type: 'SendNudge',
        nudge_id,
        by: { user_id: 'ada', channel: 'api' },
        message,
      }));
    };
    await nudge('n1', 'left');
    await nudge('n2', 'late');
    const held = await cell.log.hold(address, await cell.log.load(address));
    const look = (index: number) => ({
      type: 'step.completed' as const,
      data: {
        index,
        kind: 'step' as const,
        name: 'look',
        signature: '74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b',
        result: 0,
        is_error: false,
        duration_ms: 0,
      },
    });
    const refusal = await held.record([
      look(0),
      { type: 'nudge.acknowledged', data: { nudge_id: 'n1', turn: 0 } },
      look(1),
      look(2),
    ]);
    expect(refusal).toBeUndefined();
    await held.release();
    await executor();
    expect((await cell.ended(address)).data.result).toEqual(['left', '', '', 'late', '']);
  });

  it('what a lost attempt had reserved comes back', async () => {
    const address = await cell.request(
      spender,
      { turns: 1, cost_usd_per_turn: 0.3 },
      {
        limits: { max_turns: null, max_cost_usd: '0.3', timeout_s: null, max_attempts: 1 },
      },
    );
    await recordAsGhost(cell, address, 'llm', []);
    const budget = await new Kvm(cell.broker.js).open('budget');
    const key = `${address.tenant_id}.${address.run_id}`;
    await budget.create(
      key,
      JSON.stringify({
        schema: 1,
        limit: '0.3',
        spent: '0',
        reserved: { [`${address.run_id}.1.1`]: '0.3' },
        waiting: [],
      }),
    );
    await executor();
    const end = await cell.ended(address);
    expect(end).toMatchObject({ type: 'run.succeeded', attempt: 2 });
    expect((await budget.get(key))?.json<Balance>()).toMatchObject({ spent: '0.3', reserved: {} });
  });
});
