/**
 * Owns: the money of one tree of runs, in bucket `budget` under `<tenant>.<root run>`.
 *
 * 1. Every change is a compare-and-set: what is spent and reserved together never passes the limit.
 * 2. A reservation belongs to one attempt of one run. When that attempt is over, whoever needs the money takes it back.
 * 3. A call that was paid for is counted even when its reservation was taken back meanwhile.
 * 4. The stored limit never falls: a holder that has not heard of a raise does not write the old limit back.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Kvm, type KV } from '@nats-io/kv';
import type { JetStreamClient } from '@nats-io/jetstream';
import type { Run } from '@runledger/run';
import { type RunAddress, RunErased, type RunLog } from '@runledger/run-log';
import { admissionKey } from '@runledger/wire';
import { micros, usd } from './micros.ts';

/** As it is stored; amounts are decimal strings of US dollars. `reserved` by `<run>.<attempt>.<number>`. */
export interface Balance {
  schema: 1;
  limit: string;
  spent: string;
  reserved: Record<string, string>;
  /** Runs that wait for the limit to be raised. */
  waiting: string[];
}

export type Reserved = { ok: true } | { ok: false; limit: bigint; spent: bigint; reserved: bigint };

/** Long enough for a broker that is away, short enough for twenty that race. */
const LONGEST_PAUSE_MS = 200;

export class TreeAccount {
  #bucket: Promise<KV> | undefined;
  #limit: bigint | undefined;
  readonly #key: string;

  constructor(
    private readonly js: JetStreamClient,
    private readonly runLog: RunLog,
    private readonly root: RunAddress,
    /** Aborted when the run is held no longer. */
    private readonly signal: AbortSignal,
  ) {
    this.#key = admissionKey(root.tenant_id, root.run_id);
  }

  /** The tree's limit in millionths as its root says now; undefined: there is none, and there never will be. */
  async limit(): Promise<bigint | undefined> {
    this.#limit = await this.limitOf(this.root);
    return this.#limit;
  }

  /** The own limit of one run of the tree, as the leader has it. */
  async limitOf(address: RunAddress): Promise<bigint | undefined> {
    const { run } = await this.#answered(() => this.runLog.load(address));
    return run.limits.max_cost_usd === null ? undefined : micros(run.limits.max_cost_usd);
  }

  /** A repeat with the same id changes nothing. What earlier attempts of the same run had reserved falls back. */
  async reserve(id: string, amount: bigint): Promise<Reserved> {
    let answer: Reserved = { ok: true };
    await this.#change((balance) => {
      answer = { ok: true };
      if (Object.hasOwn(balance.reserved, id)) return undefined;
      const current = Object.entries(balance.reserved).filter(([other]) => !isEarlier(other, id));
      const held = sum(current.map(([, one]) => one));
      const [limit, spent] = [this.#newest(balance), micros(balance.spent) ?? 0n];
      if (spent + held + amount > limit) {
        answer = { ok: false, limit, spent, reserved: held };
        return undefined;
      }
      const reserved = { ...Object.fromEntries(current), [id]: usd(amount) };
      return { ...balance, reserved, waiting: balance.waiting.filter((run) => run !== runOf(id)) };
    });
    return answer;
  }

  /** The reservation becomes what was really spent. */
  async settle(id: string, amount: bigint): Promise<void> {
    let tries = 0;
    await this.#change((balance) => {
      tries += 1;
      const { [id]: mine, ...reserved } = balance.reserved;
      // After a write whose answer was lost, a reservation that is gone has been settled by that write.
      if (mine === undefined && (tries > 1 || amount === 0n)) return undefined;
      return { ...balance, reserved, spent: usd((micros(balance.spent) ?? 0n) + amount) };
    });
  }

  /** Takes back what attempts reserved that are over. True when that freed anything. */
  async takeBack(own: { run_id: string; attempt: number }): Promise<boolean> {
    const { balance } = await this.#answered(() => this.#read());
    const over: string[] = [];
    for (const id of Object.keys(balance.reserved)) {
      const [run_id = '', attempt = ''] = id.split('.');
      if (run_id === own.run_id && Number(attempt) === own.attempt) continue;
      if (await this.#isOver(run_id, Number(attempt))) over.push(id);
    }
    if (over.length === 0) return false;
    await this.#change((now) => ({
      ...now,
      reserved: Object.fromEntries(Object.entries(now.reserved).filter(([id]) => !over.includes(id))),
    }));
    return true;
  }

  /** Lists a run as waiting for a higher limit. */
  async wait(runId: string): Promise<void> {
    await this.#change((balance) =>
      balance.waiting.includes(runId) ? undefined : { ...balance, waiting: [...balance.waiting, runId] },
    );
  }

  /** A limit is only ever raised: of the one that is stored and the one that was read last, the higher is the newer. */
  #newest(balance: Balance): bigint {
    const [stored, read] = [micros(balance.limit) ?? 0n, this.#limit ?? 0n];
    return stored > read ? stored : read;
  }

  async #isOver(run_id: string, attempt: number): Promise<boolean> {
    const address = { tenant_id: this.root.tenant_id, run_id };
    const { run }: { run: Run } = await this.#answered(() => this.runLog.load(address));
    return run.holder?.attempt !== attempt;
  }

  /**
   * `decide` sees the balance and says what it becomes; undefined: it stays. Again from the start when another was
   * first, or when the broker did not answer: what is stored says which.
   */
  #change(decide: (balance: Balance) => Balance | undefined): Promise<void> {
    return this.#answered(async () => {
      this.signal.throwIfAborted();
      const { balance, revision } = await this.#read();
      const next = decide(balance);
      if (!next) return;
      const text = JSON.stringify({ ...next, limit: usd(this.#newest(balance)) });
      const bucket = await this.#open();
      if (revision === 0) await bucket.create(this.#key, text);
      else await bucket.update(this.#key, text, revision);
    });
  }

  /** A broker that is away is waited for as long as the run is held: it costs the run no attempt. */
  async #answered<T>(work: () => Promise<T>): Promise<T> {
    for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof RunErased) throw error;
      }
      await delay(pauseMs * Math.random());
      this.signal.throwIfAborted();
    }
  }

  async #read(): Promise<{ balance: Balance; revision: number }> {
    const found = await (await this.#open()).get(this.#key);
    if (found?.operation === 'PUT') return { balance: found.json<Balance>(), revision: found.revision };
    const balance: Balance = { schema: 1, limit: '0', spent: '0', reserved: {}, waiting: [] };
    return { balance, revision: 0 };
  }

  #open(): Promise<KV> {
    this.#bucket ??= new Kvm(this.js).open('budget').catch((error: unknown) => {
      this.#bucket = undefined;
      throw error;
    });
    return this.#bucket;
  }
}

const runOf = (id: string): string => id.split('.')[0] ?? '';

/** Whether a reservation was made by an earlier attempt of the same run. */
function isEarlier(other: string, id: string): boolean {
  return runOf(other) === runOf(id) && Number(other.split('.')[1]) < Number(id.split('.')[1]);
}

function sum(amounts: readonly string[]): bigint {
  return amounts.reduce((total, amount) => total + (micros(amount) ?? 0n), 0n);
}
