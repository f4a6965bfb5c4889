/**
 * Owns: what one held run spends. A model call is paid for from the account of its tree, and from the run's own limit
 * where a child has one.
 *
 * 1. The estimate is reserved before the call and settled after it, before the call is recorded: a crash in between
 *    counts what was paid.
 * 2. Money that others have only reserved is waited for; money that is spent is not: the run waits for a higher limit.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AgentFailed, type ModelUsage, type PaidCall, type RecordedEvent } from '@runledger/harness';
import type { EventData, HeldBy } from '@runledger/run';
import type { HeldRun, RunLog } from '@runledger/run-log';
import type { Gate } from '../boundary/gate.ts';
import { micros, usd } from './micros.ts';
import type { Price, Prices } from './prices.ts';
import type { TreeAccount } from './tree-account.ts';

const LOOK_AGAIN_MS = 150;
/** While the broker is away each try takes some seconds. */
const UNPARK_TRIES = 20;

export interface PurseParts {
  prices: Prices;
  account: TreeAccount;
  runLog: RunLog;
  gate: Gate;
  held: HeldRun;
  heldBy: HeldBy;
  history: readonly RecordedEvent[];
  /** What the agent's definition wants at the limit. */
  onBudget: 'wait' | 'fail';
}

/** A call that may be made now. Exactly one of the two is called when it has ended. */
export interface Payment {
  /** Set where a limit of money is in force. */
  max_tokens: number | undefined;
  /** The usage with its cost. */
  settle(usage: ModelUsage): Promise<ModelUsage>;
  release(): Promise<void>;
}

interface Denied {
  limit: string;
  value: bigint;
  used: bigint;
  /** The money is there, but reserved. */
  mayComeBack: boolean;
}

export class Purse {
  #count = 0;
  #ownSpent: bigint | undefined;
  #ownReserved = 0n;
  #treeLimited: Promise<boolean> | undefined;
  readonly #unpriced = new Set<string>();

  constructor(private readonly parts: PurseParts) {}

  /** Resolves when the call may begin. Throws what the gate throws, or AgentFailed `budget_exhausted`. */
  async reserve(call: PaidCall): Promise<Payment> {
    const { gate, prices, heldBy } = this.parts;
    const price = prices.of(call);
    const limited = await this.#isLimited();
    if (limited && !price.known) await this.#sayUnpriced(call.model);
    const id = `${this.#run.run_id}.${heldBy.attempt}.${++this.#count}`;
    for (;;) {
      const closed = gate.pass(call.boundary);
      if (closed) await closed;
      const denied = limited && price.estimate > 0n ? await this.#take(id, price.estimate) : undefined;
      if (denied) await this.#wait(denied, price.estimate);
      else if (!gate.pass(call.boundary)) return this.#payment(id, price, limited);
      else await this.#giveBack(id, price.estimate, 0n);
    }
  }

  get #run(): HeldRun['run'] {
    return this.parts.held.run;
  }

  get #isRoot(): boolean {
    return this.#run.root_run_id === this.#run.run_id;
  }

  async #isLimited(): Promise<boolean> {
    if (this.#run.limits.max_cost_usd !== null) return true;
    // A tree without a limit never gets one.
    return this.#isRoot ? false : this.#isTreeLimited();
  }

  #payment(id: string, price: Price, limited: boolean): Payment {
    const { parking } = this.parts.gate;
    parking.enter();
    const reserved = limited ? price.estimate : 0n;
    const end = async (cost: bigint): Promise<void> => {
      try {
        if (limited && (reserved > 0n || cost > 0n)) await this.#giveBack(id, reserved, cost);
      } finally {
        parking.leave();
      }
    };
    return {
      max_tokens: limited ? price.max_tokens : undefined,
      settle: async (usage) => {
        const cost = price.cost(usage);
        await end(cost);
        return { ...usage, cost_usd: usd(cost) };
      },
      release: () => end(0n),
    };
  }

  async #take(id: string, amount: bigint): Promise<Denied | undefined> {
    const own = this.#ownLimit();
    if (own !== undefined) {
      const used = this.#spentBefore();
      const denied = { limit: 'max_cost_usd', value: own, used };
      if (used + this.#ownReserved + amount > own) return { ...denied, mayComeBack: used + amount <= own };
    }
    if (await this.#isTreeLimited()) {
      const denied = await this.#takeFromTree(id, amount);
      if (denied) return denied;
    }
    this.#ownReserved += amount;
    return undefined;
  }

  #isTreeLimited(): Promise<boolean> {
    this.#treeLimited ??= this.parts.account.limit().then((limit) => limit !== undefined);
    return this.#treeLimited;
  }

  async #takeFromTree(id: string, amount: bigint): Promise<Denied | undefined> {
    const { account, heldBy } = this.parts;
    const first = await account.reserve(id, amount);
    if (first.ok) return undefined;
    // The limit may have been raised, and attempts may be over that had reserved.
    await account.limit();
    await account.takeBack({ run_id: this.#run.run_id, attempt: heldBy.attempt });
    const second = await account.reserve(id, amount);
    if (second.ok) return undefined;
    const limit = this.#isRoot ? 'max_cost_usd' : 'tree_max_cost_usd';
    const mayComeBack = second.spent + amount <= second.limit;
    return { limit, value: second.limit, used: second.spent, mayComeBack };
  }

  async #giveBack(id: string, reserved: bigint, cost: bigint): Promise<void> {
    this.#ownReserved -= reserved;
    this.#ownSpent = this.#spentBefore() + cost;
    if (await this.#isTreeLimited()) await this.parts.account.settle(id, cost);
  }

  /** A child's limit is of its own calls; a root's is the tree's, and kept in the account. */
  #ownLimit(): bigint | undefined {
    const own = this.#run.limits.max_cost_usd;
    return this.#isRoot || own === null ? undefined : micros(own);
  }

  #spentBefore(): bigint {
    this.#ownSpent ??= this.parts.history.reduce((total, event) => total + costIn(event), 0n);
    return this.#ownSpent;
  }

  async #wait(denied: Denied, wanted: bigint): Promise<void> {
    if (denied.mayComeBack) return void (await delay(LOOK_AGAIN_MS * (0.5 + Math.random())));
    const { gate, held, onBudget, account } = this.parts;
    const { limit, value, used } = denied;
    const reached = { type: 'limit.reached' as const, data: { limit, value: usd(value), used: usd(used) } };
    const detail = `${usd(used)} of ${usd(value)} USD are spent, and the next model call may cost ${usd(wanted)}`;
    if (onBudget === 'fail') {
      await held.record([reached]);
      throw exhausted(detail);
    }
    const ofTree = limit === 'tree_max_cost_usd';
    if (ofTree) await account.wait(this.#run.run_id);
    if ((await this.#limitNow(ofTree)) > value) return;
    await gate.parking.park('budget', detail, () => held.record([reached]));
    if (gate.parking.parked) await this.#unparkIfRaised(ofTree, value);
  }

  /** A raise that landed before the park was on disk has not seen a run that waits, and nobody else will. */
  async #unparkIfRaised(ofTree: boolean, value: bigint): Promise<void> {
    const { held, runLog } = this.parts;
    for (let tries = 1; ; tries += 1) {
      try {
        if ((await this.#limitNow(ofTree)) > value)
          await runLog.execute(held.address, () => ({ type: 'UnparkRun', reason: 'budget' }));
        return;
      } catch (error) {
        if (tries >= UNPARK_TRIES) throw error;
        await delay(LOOK_AGAIN_MS);
      }
    }
  }

  /** As the leader has it. */
  async #limitNow(ofTree: boolean): Promise<bigint> {
    if (ofTree || this.#isRoot) return (await this.parts.account.limit()) ?? 0n;
    return (await this.parts.account.limitOf(this.parts.held.address)) ?? 0n;
  }

  async #sayUnpriced(model: string): Promise<void> {
    const source = `no price is known for ${model}: its calls count as 0`;
    if (this.#unpriced.has(model)) return;
    this.#unpriced.add(model);
    const said = (event: RecordedEvent): boolean =>
      event.type === 'cost.added' && (event.data as EventData['cost.added']).source === source;
    if (this.parts.history.some(said)) return;
    const usage = { input_tokens: 0, output_tokens: 0, cached_tokens: 0, cost_usd: '0' };
    await this.parts.held.record([{ type: 'cost.added', data: { source, usage } }]);
  }
}

function costIn({ data }: RecordedEvent): bigint {
  const usage = (data as { usage?: { cost_usd?: unknown } } | null)?.usage;
  return typeof usage?.cost_usd === 'string' ? (micros(usage.cost_usd) ?? 0n) : 0n;
}

function exhausted(detail: string): AgentFailed {
  return new AgentFailed({
    code: 'budget_exhausted',
    category: 'budget',
    title: 'The run has used its money',
    detail,
    remedy: 'Raise limits.max_cost_usd and start the run again.',
    retryable: false,
  });
}
