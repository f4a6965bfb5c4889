import { jetstream, JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import { Kvm, type KV, type KvEntry } from '@nats-io/kv';
import type { Broker } from '@runledger/nest-jetstream';
import { isAlone, LogUnavailable } from '@runledger/run-log';
import { isBrokerFault, isNothingFound } from './broker-fault.ts';

const ANSWER_WITHIN_MS = 2_500;
const WRONG_LAST_SEQUENCE = [10071, 10164];
const NO_SPACE = [10023, 10047, 10077];

export type BucketName =
  'agents' | 'api-keys' | 'erased' | 'idempotency' | 'queue' | 'run-env' | 'schedules' | 'sessions';

/** The key-value buckets as the gateway needs them. Reads are the leader's; every method throws LogUnavailable. */
export class Buckets {
  readonly #nc: Broker['nc'];
  readonly #kvm: Kvm;
  readonly #open = new Map<string, Promise<KV>>();

  constructor(broker: Pick<Broker, 'nc'>) {
    this.#nc = broker.nc;
    this.#kvm = new Kvm(jetstream(broker.nc, { timeout: ANSWER_WITHIN_MS, checkAPI: false }));
  }

  async get(bucket: BucketName, key: string): Promise<{ text: string; revision: number } | undefined> {
    const entry = await this.#ask(bucket, (kv) => kv.get(key));
    return entry && isPresent(entry) ? { text: entry.string(), revision: entry.revision } : undefined;
  }

  /** Writes a key that does not exist; answers false when it does. A repeat of an unconfirmed write may answer false too. */
  async create(bucket: BucketName, key: string, text: string): Promise<boolean> {
    return this.#ask(bucket, async (kv) => {
      try {
        await kv.create(key, text);
        return true;
      } catch (error) {
        if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.includes(error.code)) return false;
        throw error;
      }
    });
  }

  /** Rewrites a key that still has this revision; answers false when it does not. */
  async update(bucket: BucketName, key: string, text: string, revision: number): Promise<boolean> {
    return this.#ask(bucket, async (kv) => {
      try {
        await kv.update(key, text, revision);
        return true;
      } catch (error) {
        if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.includes(error.code)) return false;
        throw error;
      }
    });
  }

  async delete(bucket: BucketName, key: string): Promise<void> {
    return this.#ask(bucket, (kv) => kv.delete(key));
  }

  async put(bucket: BucketName, key: string, text: string): Promise<number> {
    return this.#ask(bucket, (kv) => kv.put(key, text));
  }

  /** Every present key below `prefix.`, at most 1,024, by key. */
  async list(bucket: BucketName, prefix: string): Promise<{ key: string; text: string; revision: number }[]> {
    return this.#ask(bucket, async () => {
      const subject = `$KV.${bucket}.`;
      const jsm = await jetstreamManager(this.#nc, { timeout: ANSWER_WITHIN_MS, checkAPI: false });
      const found: { key: string; text: string; revision: number }[] = [];
      const last = await jsm.direct.getLastMessagesFor(`KV_${bucket}`, {
        multi_last: [`${subject}${prefix}.>`],
      });
      for await (const message of last)
        if (!message.header.has('KV-Operation'))
          found.push({
            key: message.subject.slice(subject.length),
            text: message.string(),
            revision: message.seq,
          });
      return found.sort((a, b) => (a.key < b.key ? -1 : 1));
    });
  }

  /** Present keys that match a subject filter, in the order of their last write, after the revision `after`. */
  async scan(
    bucket: BucketName,
    filter: string,
    after: number,
    limit: number,
  ): Promise<{ key: string; revision: number }[]> {
    return this.#ask(bucket, async () => {
      const subject = `$KV.${bucket}.`;
      const jsm = await jetstreamManager(this.#nc, { timeout: ANSWER_WITHIN_MS, checkAPI: false });
      const found: { key: string; revision: number }[] = [];
      let last = after;
      try {
        for (let seen = -1; found.length < limit && last !== seen;) {
          seen = last;
          const query = {
            seq: last + 1,
            next_by_subj: `${subject}${filter}`,
            batch: limit - found.length,
          };
          for await (const message of await jsm.direct.getBatch(`KV_${bucket}`, query)) {
            last = message.seq;
            if (!message.header.has('KV-Operation'))
              found.push({ key: message.subject.slice(subject.length), revision: message.seq });
          }
        }
      } catch (error) {
        if (!isNothingFound(error)) throw error;
      }
      return found;
    });
  }

  /** How many keys match a subject filter, those included that were deleted. */
  async countWithDeleted(bucket: BucketName, filter: string): Promise<number> {
    return this.#ask(bucket, async () => {
      const jsm = await jetstreamManager(this.#nc, { timeout: ANSWER_WITHIN_MS, checkAPI: false });
      const subjects_filter = `$KV.${bucket}.${filter}`;
      const { state } = await jsm.streams.info(`KV_${bucket}`, { subjects_filter });
      return Object.keys(state.subjects ?? {}).length;
    });
  }

  /** Which of these keys, at most 1,000, were ever written. Any replica answers, so what is new may be missing. */
  async present(bucket: BucketName, keys: readonly string[]): Promise<Set<string>> {
    if (keys.length === 0) return new Set();
    return this.#ask(bucket, async () => {
      const subject = `$KV.${bucket}.`;
      const jsm = await jetstreamManager(this.#nc, { timeout: ANSWER_WITHIN_MS, checkAPI: false });
      const found = new Set<string>();
      try {
        const multi_last = keys.map((key) => `${subject}${key}`);
        for await (const message of await jsm.direct.getLastMessagesFor(`KV_${bucket}`, { multi_last }))
          found.add(message.subject.slice(subject.length));
      } catch (error) {
        if (!isNothingFound(error)) throw error;
      }
      return found;
    });
  }

  async #ask<T>(bucket: BucketName, use: (kv: KV) => Promise<T>): Promise<T> {
    try {
      return await use(await this.#bucket(bucket));
    } catch (error) {
      if (error instanceof JetStreamApiError && NO_SPACE.includes(error.code))
        throw new LogUnavailable('log_full', `bucket ${bucket} is full`, { cause: error });
      if (isBrokerFault(error) || error instanceof JetStreamApiError)
        throw new LogUnavailable('log_unavailable', `bucket ${bucket} does not answer`, { cause: error });
      throw error;
    }
  }

  #bucket(name: BucketName): Promise<KV> {
    const allow_direct = isAlone(this.#nc);
    const opened = allow_direct ? `${name} alone` : name;
    const known = this.#open.get(opened);
    if (known) return known;
    const opening = this.#kvm.open(name, { allow_direct });
    this.#open.set(opened, opening);
    opening.catch(() => this.#open.delete(opened));
    return opening;
  }
}

const isPresent = (entry: KvEntry): boolean => entry.operation === 'PUT';
