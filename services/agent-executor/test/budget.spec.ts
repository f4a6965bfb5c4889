import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Kvm, type KV } from '@nats-io/kv';
import type { AgentDefinition } from '@runledger/harness';
import type { Limits } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import type { RunningService } from '@runledger/service-host';
import { waitFor } from '@runledger/testkit';
import { micros, usd } from '../src/budget/micros.ts';
import type { Balance } from '../src/budget/tree-account.ts';
import { SAMPLE_AGENTS } from '../src/samples.ts';
import { codeAgent } from './agents.ts';
import { Cell } from './cell.ts';
import { startModelEndpoint, type ModelEndpoint } from './model-endpoint.ts';
import { startExecutor, startScheduler } from './test-executor.ts';

const spender = SAMPLE_AGENTS.find((agent) => agent.agent_id === 'spender') as AgentDefinition;

const capped = (max_cost_usd: string | null): { limits: Limits } => ({
  limits: { max_turns: null, max_cost_usd, timeout_s: null, max_attempts: 1 },
});

const amount = (text: string): bigint => micros(text) ?? 0n;

function inUse({ spent, reserved }: Balance): bigint {
  return Object.values(reserved).reduce((sum, one) => sum + amount(one), amount(spent));
}

describe('money', () => {
  let cell: Cell;
  let services: RunningService[];
  let budget: KV;
  let endpoint: ModelEndpoint;

  beforeAll(async () => {
    cell = await Cell.start();
    budget = await new Kvm(cell.broker.js).open('budget');
    endpoint = await startModelEndpoint();
    const executor = await startExecutor(cell, { slots: 20, modelBaseUrl: endpoint.url });
    services = [await startScheduler(cell), executor];
    await cell.store(spender);
  });
  afterAll(async () => {
    for (const service of services) await service.close();
    await endpoint.close();
    await cell.stop();
  });

  const balanceOf = async ({ tenant_id, run_id }: RunAddress): Promise<Balance> =>
    (await budget.get(`${tenant_id}.${run_id}`))?.json<Balance>() as Balance;

  const raise = (address: RunAddress, max_cost_usd: string): Promise<unknown> =>
    cell.log.execute(address, () => ({
      type: 'RaiseLimits',
      by: { user_id: 'ada', channel: 'api' },
      limits: { max_cost_usd },
    }));

  it('a run at its limit waits, and goes on when it is raised', async () => {
    const address = await cell.request(spender, { turns: 5, cost_usd_per_turn: 0.1 }, capped('0.25'));
    const parked = await cell.until(address, (event) => event.type === 'run.parked');
    expect(parked.data).toMatchObject({
      reason: 'budget',
      detail: expect.stringMatching(/^0\.2 of 0\.25 USD/),
    });
    const before = await cell.events(address);
    expect(before.at(-2)).toMatchObject({
      type: 'limit.reached',
      data: { limit: 'max_cost_usd', value: '0.25', used: '0.2' },
    });
    const turns = before.filter((event) => event.type === 'turn.completed');
    expect(turns.map((event) => (event.data.usage as { cost_usd: string }).cost_usd)).toEqual(['0.1', '0.1']);
    await raise(address, '0.5');
    const end = await cell.ended(address);
    expect(end.data.result).toEqual({ reply: 'Spent 5 turns.' });
    expect(await balanceOf(address)).toMatchObject({ spent: '0.5', reserved: {}, limit: '0.5' });
  });

  it('a definition may want failure instead of waiting', async () => {
    const strict = { ...spender, agent_id: 'strict', limits: { on_budget: 'fail' as const } };
    const address = await cell.request(strict, { turns: 3, cost_usd_per_turn: 0.1 }, capped('0.1'));
    const end = await cell.ended(address);
    expect(end).toMatchObject({
      type: 'run.failed',
      data: { error: { code: 'budget_exhausted', category: 'budget' } },
    });
  });

  it('twenty children race for one dollar, and never have more than it together', async () => {
    const body = `return Promise.all(Array.from({ length: 20 }, () => tools.callAgent('spender', { turns: 3, cost_usd_per_turn: 0.03 })));`;
    const address = await cell.request(codeAgent('racers', body), {}, capped('1'));
    const seen: bigint[] = [];
    const watch = await budget.watch({ key: `${address.tenant_id}.${address.run_id}` });
    const watching = (async () => {
      for await (const entry of watch) if (entry.operation === 'PUT') seen.push(inUse(entry.json<Balance>()));
    })();
    const stuck = await waitFor(
      async () => {
        const balance = await balanceOf(address);
        return balance && balance.waiting.length > 0 && Object.keys(balance.reserved).length === 0
          ? balance
          : undefined;
      },
      { timeoutMs: 30_000, describe: 'some wait and nobody spends' },
    );
    expect(amount(stuck.spent)).toBeLessThanOrEqual(1_000_000n);
    expect(amount(stuck.spent)).toBeGreaterThan(900_000n);
    await raise(address, '2');
    await waitFor(
      async () => {
        const balance = await balanceOf(address);
        for (const run_id of balance.waiting)
          await cell.log.execute({ ...address, run_id }, () => ({ type: 'UnparkRun', reason: 'budget' }));
        return (await cell.log.load(address)).run.ended_at !== null;
      },
      { timeoutMs: 40_000, everyMs: 300, describe: 'the tree ends' },
    );
    watch.stop();
    await watching;
    const end = (await cell.events(address)).at(-1);
    expect(end).toMatchObject({ type: 'run.succeeded' });
    const { spent, reserved } = await balanceOf(address);
    expect([spent, reserved]).toEqual(['1.8', {}]);
    const beforeRaise = seen.filter((one) => one <= 1_000_000n).length;
    expect(beforeRaise).toBeGreaterThan(50);
    expect(seen.slice(0, beforeRaise).every((one) => one <= 1_000_000n)).toBe(true);
    expect(seen.every((one) => one <= 2_000_000n)).toBe(true);
  }, 90_000);

  it('calls without a known price cost nothing, and say so', async () => {
    const agent = codeAgent('unpriced', `await tools.callLlm('a'); await tools.callLlm('b');`, {
      model: 'custom/m',
    });
    const address = await cell.request(agent, {}, capped('0.01'));
    expect(await cell.ended(address)).toMatchObject({ type: 'run.succeeded' });
    const said = (await cell.events(address)).filter((event) => event.type === 'cost.added');
    expect(said.map((event) => event.data.source)).toEqual([
      'no price is known for custom/m: its calls count as 0',
    ]);
  });
});

describe('amounts', () => {
  it('are exact, and rounded up to a millionth', () => {
    expect([micros('0.1'), micros('12'), micros('0.0000001'), micros('1.9999999')]).toEqual([
      100_000n,
      12_000_000n,
      1n,
      2_000_000n,
    ]);
    expect([micros(''), micros('-1'), micros('1e3'), micros('.5')]).toEqual(Array(4).fill(undefined));
    expect([usd(0n), usd(1n), usd(1_500_000n)]).toEqual(['0', '0.000001', '1.5']);
  });
});
