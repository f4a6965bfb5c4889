import { Kvm, type KV, type KvWatchEntry } from '@nats-io/kv';
import type { Broker } from '@runledger/nest-jetstream';
import { waitFor } from '@runledger/testkit';
import type { Cleanup } from './cleanup.ts';

/** One recorded state of a tree's account; amounts in millionths of a dollar. */
export interface AccountState {
  root: string;
  revision: number;
  /** In ms since the epoch. */
  at: number;
  limit: number;
  spent: number;
  /** By `<run>.<attempt>.<number>`. */
  reserved: ReadonlyMap<string, number>;
  waiting: readonly string[];
}

interface Stored {
  limit: string;
  spent: string;
  reserved: Record<string, string>;
  waiting: string[];
}

const millionths = (amount: string): number => Math.round(Number(amount) * 1_000_000);

/** Reads along in the bucket of accounts as an outsider: every state that was ever recorded, in order. */
export class AccountWatch {
  readonly states: AccountState[] = [];
  readonly #latest = new Map<string, AccountState>();
  readonly #bucket: KV;
  #revision = 0;
  #missed = 0;

  private constructor(bucket: KV) {
    this.#bucket = bucket;
  }

  /** On a bucket that is empty yet. */
  static async on(broker: Broker, cleanup: Cleanup): Promise<AccountWatch> {
    const bucket = await new Kvm(broker.js).open('budget');
    const watch = new AccountWatch(bucket);
    const entries = await bucket.watch();
    cleanup.add('watch of the accounts', () => entries.stop());
    void (async () => {
      for await (const entry of entries) watch.#take(entry);
    })();
    return watch;
  }

  of(root: string): AccountState | undefined {
    return this.#latest.get(root);
  }

  statesOf(root: string): AccountState[] {
    return this.states.filter((state) => state.root === root);
  }

  /** States that were recorded and replaced before they were read. */
  get missed(): number {
    return this.#missed;
  }

  /** Resolves when what the bucket has now was read. */
  async read(): Promise<this> {
    const { streamInfo } = (await this.#bucket.status()) as unknown as {
      streamInfo: { state: { last_seq: number } };
    };
    await waitFor(() => this.#revision >= streamInfo.state.last_seq, {
      timeoutMs: 20_000,
      everyMs: 20,
      describe: 'the accounts to be read',
    });
    return this;
  }

  #take(entry: KvWatchEntry): void {
    this.#missed += Math.max(0, entry.revision - this.#revision - 1);
    this.#revision = entry.revision;
    if (entry.operation !== 'PUT') return;
    const { limit, spent, reserved, waiting } = entry.json<Stored>();
    const state: AccountState = {
      root: entry.key.split('.')[1] ?? '',
      revision: entry.revision,
      at: entry.created.getTime(),
      limit: millionths(limit),
      spent: millionths(spent),
      reserved: new Map(Object.entries(reserved).map(([id, amount]) => [id, millionths(amount)])),
      waiting,
    };
    this.states.push(state);
    this.#latest.set(state.root, state);
  }
}

/** What is spent and reserved together. */
export function inUse({ spent, reserved }: AccountState): number {
  return [...reserved.values()].reduce((all, one) => all + one, spent);
}
