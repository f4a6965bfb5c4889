import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Kvm } from '@nats-io/kv';
import type { AgentDefinition } from '@runledger/harness';
import { connectBroker } from '@runledger/nest-jetstream';
import { JetStreamRunLog, LogUnavailable, type RunAddress } from '@runledger/run-log';
import { type Balance, TreeAccount } from '../src/budget/tree-account.ts';
import { SAMPLE_AGENTS } from '../src/samples.ts';
import { Cell } from './cell.ts';
import { startProxy } from './stalling-proxy.ts';

const spender = SAMPLE_AGENTS.find((agent) => agent.agent_id === 'spender') as AgentDefinition;

describe('the account of a tree', () => {
  let cell: Cell;
  beforeAll(async () => void (cell = await Cell.start()));
  afterAll(() => cell.stop());

  const requestOfOneDollar = (): Promise<RunAddress> =>
    cell.request(
      spender,
      { turns: 1 },
      { limits: { max_turns: null, max_cost_usd: '1', timeout_s: null, max_attempts: 1 } },
    );

  /** As one executor has it, which has read the root's limit. */
  const accountOf = async (root: RunAddress): Promise<TreeAccount> => {
    const account = new TreeAccount(cell.broker.js, cell.log, root, new AbortController().signal);
    await account.limit();
    return account;
  };

  const raise = (root: RunAddress, max_cost_usd: string): Promise<unknown> =>
    cell.log.execute(root, () => ({
      type: 'RaiseLimits',
      by: { user_id: 'ada', channel: 'api' },
      limits: { max_cost_usd },
    }));

  const stored = async ({ tenant_id, run_id }: RunAddress): Promise<Balance> => {
    const bucket = await new Kvm(cell.broker.js).open('budget');
    return (await bucket.get(`${tenant_id}.${run_id}`))?.json<Balance>() as Balance;
  };

  it('keeps a raised limit when a holder that has not heard of it writes', async () => {
    const root = await requestOfOneDollar();
    const [unaware, aware] = [await accountOf(root), await accountOf(root)];
    expect(await unaware.reserve('run_a.1.1', 400_000n)).toEqual({ ok: true });
    await raise(root, '2');
    await aware.limit();
    expect(await aware.reserve('run_b.1.1', 1_200_000n)).toEqual({ ok: true });
    await unaware.settle('run_a.1.1', 400_000n);
    expect(await stored(root)).toMatchObject({ limit: '2', spent: '0.4', reserved: { 'run_b.1.1': '1.2' } });
  });

  it('gives from a raised limit to a holder that knows it from the account alone', async () => {
    const root = await requestOfOneDollar();
    const [unaware, aware] = [await accountOf(root), await accountOf(root)];
    await raise(root, '2');
    await aware.limit();
    expect(await aware.reserve('run_b.1.1', 900_000n)).toEqual({ ok: true });
    expect(await unaware.reserve('run_a.1.1', 1_000_000n)).toEqual({ ok: true });
    expect(await unaware.reserve('run_a.1.2', 100_001n)).toMatchObject({ ok: false, limit: 2_000_000n });
  });

  it('asks again where the broker did not answer', async () => {
    const root = await requestOfOneDollar();
    const proxy = await startProxy(Number(new URL(cell.server.url).port));
    const broker = await connectBroker({ url: proxy.url, name: 'behind a proxy' });
    const log = new JetStreamRunLog(broker, { writer: 'agent-executor/test' });
    const account = new TreeAccount(broker.js, log, root, new AbortController().signal);
    proxy.stall();
    const [limit, freed] = [account.limit(), account.takeBack({ run_id: root.run_id, attempt: 1 })];
    // Asked later, over the same connection: by then the account's own questions have failed.
    await expect(log.load(root)).rejects.toThrow(LogUnavailable);
    proxy.resume();
    expect([await limit, await freed]).toEqual([1_000_000n, false]);
    await log.close();
    await broker.close();
    await proxy.close();
  }, 60_000);
});
