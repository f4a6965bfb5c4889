/**
 * Owns: the requests that reads and appends of RUNS are made of, and what each answer of the broker means.
 *
 * 1. `last` and `next` ask the leader; only `range` reads from replicas, up to a sequence the leader named.
 * 2. Time-outs, no responders and refused expectations are one thing: unknown. Refused for space is another: log_full.
 * 3. Live copies are best effort; after a reconnect every watch is told that it may have a gap.
 */
import { jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { headers as newHeaders, type Msg, type NatsConnection } from '@nats-io/nats-core';
import {
  ALL_RUNS,
  decodeCommit,
  erasedSubject,
  liveSubject,
  parseRunSubject,
  Poison,
  runSubject,
  type EncodedCommit,
} from '@runledger/wire';
import { Objm, type ObjectStore } from '@nats-io/obj';
import type {
  Appended,
  CommitStore,
  LiveCommit,
  RawCommit,
  StoredCommit,
  Watch,
} from '../engine/commit-store.ts';
import { backoff } from '../engine/pacing.ts';
import { systemTiming } from '../engine/timing.ts';
import { LogUnavailable } from '../faults.ts';
import type { RunAddress } from '../port.ts';
import { directPage, PAGE_BYTES, type DirectMessage } from './direct-page.ts';
import { leaderMessage } from './leader-message.ts';
import { readBlob } from './read-blob.ts';
import { writeBlob } from './write-blob.ts';

export interface LogConnection {
  nc: NatsConnection;
  js: JetStreamClient;
}

const STREAM = 'RUNS';
const TOMBSTONES = 'KV_erased';
const APPEND_TIMEOUT_MS = 5_000;
/** Also a caller whose time is up sends once: less than this would leave an outcome unknown that is known soon. */
const LEAST_APPEND_TIMEOUT_MS = 250;
const READ_TIMEOUT_MS = 5_000;
/** Of a read that ends soon: about one commit, and the next that is on its way meanwhile. */
const SHORT_PAGE_BYTES = 256 * 1024;
const NO_MESSAGE_FOUND = 10037;
/** Insufficient storage, store failed (limits), insufficient resources, account limits. */
const FULL = new Set([10023, 10028, 10047, 10077]);
const TOO_LARGE = 10054;

interface PubAck {
  seq?: number;
  error?: { err_code?: number; description?: string };
}

export class JetStreamCommitStore implements CommitStore {
  #jsm: Promise<JetStreamManager> | undefined;
  #blobs: Promise<ObjectStore> | undefined;
  #gaps = new Set<() => void>();
  #closed = false;

  constructor(private readonly connection: LogConnection) {
    void this.#watchLink();
  }

  async last(address: RunAddress): Promise<StoredCommit | undefined> {
    return this.#leader({ last_by_subj: runSubject(address.tenant_id, address.run_id) });
  }

  async next(address: RunAddress, afterStreamSeq: number): Promise<StoredCommit | undefined> {
    return this.#leader({
      seq: afterStreamSeq + 1,
      next_by_subj: runSubject(address.tenant_id, address.run_id),
    });
  }

  async #leader(
    query: { last_by_subj: string } | { seq: number; next_by_subj: string },
  ): Promise<StoredCommit | undefined> {
    try {
      const jsm = await this.#manager();
      const message = await leaderMessage(this.connection.nc, jsm, STREAM, query);
      if (!message) return undefined;
      return {
        ...decodeCommit((name) => message.header.get(name), message.string()),
        stream_seq: message.seq,
      };
    } catch (error) {
      if ((error as { code?: number }).code === NO_MESSAGE_FOUND) return undefined;
      if ((error as { kind?: string }).kind) throw error;
      throw new LogUnavailable(
        'log_unavailable',
        `the log's leader does not answer: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  async *range(address: RunAddress, from: number, until: number): AsyncIterable<StoredCommit> {
    const filter = runSubject(address.tenant_id, address.run_id);
    for await (const message of this.#messages(filter, from, until)) yield storedCommit(message);
  }

  async *rawRange(
    address: RunAddress,
    from: number,
    until: number,
    isShort = false,
  ): AsyncIterable<RawCommit> {
    const filter = runSubject(address.tenant_id, address.run_id);
    const pageBytes = isShort ? SHORT_PAGE_BYTES : PAGE_BYTES;
    for await (const message of this.#messages(filter, from, until, pageBytes)) yield rawCommit(message);
  }

  /**
   * A replica may be behind the leader: what it does not have yet is asked for again, then read from the leader. While
   * one page is at work the next is on its way.
   */
  async *#messages(
    filter: string,
    from: number,
    until: number,
    pageBytes = PAGE_BYTES,
  ): AsyncIterable<DirectMessage> {
    if (from > until) return;
    let next = from;
    let coming = this.#page(filter, next, pageBytes);
    for (let stale = 0; ;) {
      const page = await coming;
      const last = page.at(-1);
      if (last) {
        stale = 0;
        next = last.seq + 1;
        const hasMore = next <= until && Number(last.headers.get('Nats-Num-Pending')) > 0;
        if (hasMore) coming = this.#page(filter, next, pageBytes);
        for (const message of page) {
          if (message.seq > until) return;
          yield message;
        }
        if (next > until) return;
        if (hasMore) continue;
      } else stale += 1;
      if (await this.#isPast(filter, next, until)) return;
      if (stale > 10) throw new LogUnavailable('log_unavailable', `a replica of the log is behind ${until}`);
      if (stale > 0) await backoff(systemTiming, { attempt: stale, firstMs: 5, mostMs: 200 });
      coming = this.#page(filter, next, pageBytes);
    }
  }

  /** Its failure is for whoever awaits it, and for nobody when the reader has left. */
  #page(filter: string, seq: number, pageBytes: number): Promise<DirectMessage[]> {
    const { nc } = this.connection;
    const page = directPage(nc, STREAM, { seq, next_by_subj: filter }, READ_TIMEOUT_MS, pageBytes);
    page.catch(() => undefined);
    return page;
  }

  /** Whether the leader has nothing of this filter between two sequences. */
  async #isPast(filter: string, from: number, until: number): Promise<boolean> {
    const jsm = await this.#manager();
    const query = { seq: from, next_by_subj: filter };
    const message = await leaderMessage(this.connection.nc, jsm, STREAM, query).catch(() => undefined);
    return message === null || (message !== undefined && message.seq > until);
  }

  async append(
    address: RunAddress,
    commit: EncodedCommit,
    expectation: number,
    mostMs = APPEND_TIMEOUT_MS,
  ): Promise<Appended> {
    const head = newHeaders();
    for (const [name, value] of Object.entries(commit.headers)) head.set(name, value);
    head.set('Nats-Expected-Last-Subject-Sequence', String(expectation));
    const subject = runSubject(address.tenant_id, address.run_id);
    if (this.connection.nc.isClosed())
      throw new LogUnavailable('log_unavailable', 'the connection to the broker is closed');
    let answer: Msg;
    try {
      answer = await this.connection.nc.request(subject, commit.payload, {
        timeout: Math.max(LEAST_APPEND_TIMEOUT_MS, Math.min(APPEND_TIMEOUT_MS, mostMs)),
        headers: head,
      });
    } catch (error) {
      return { outcome: 'unknown', cause: (error as Error).message };
    }
    return readAck(answer);
  }

  watch(
    address: RunAddress,
    onCommit: (commit: LiveCommit) => void,
    onGap: () => void,
    skip?: (commitId: string) => boolean,
  ): Watch {
    const { nc } = this.connection;
    const subscription = nc.subscribe(liveSubject(address.tenant_id, address.run_id), {
      callback: (error, message) => {
        if (error) return onGap();
        if (skip?.(message.headers?.get('Run-Commit') ?? '')) return;
        try {
          onCommit(liveCommit(message));
        } catch {
          onGap();
        }
      },
    });
    this.#gaps.add(onGap);
    const ready = within(nc.flush(), READ_TIMEOUT_MS);
    ready.catch(() => onGap());
    return {
      ready,
      close: () => {
        this.#gaps.delete(onGap);
        subscription.unsubscribe();
      },
    };
  }

  async *scan(): AsyncIterable<{ address: RunAddress; commit: StoredCommit }> {
    const jsm = await this.#manager();
    const until = (await jsm.streams.info(STREAM)).state.last_seq;
    for await (const message of this.#messages(ALL_RUNS, 1, until)) {
      const scanned = scannedCommit(message);
      if (scanned) yield scanned;
    }
  }

  async putBlob(key: string, text: string): Promise<void> {
    try {
      const jsm = await this.#manager();
      await writeBlob({ js: this.connection.js, jsm }, key, new TextEncoder().encode(text));
    } catch (error) {
      throw new LogUnavailable('log_unavailable', `a blob was not stored: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async getBlob(key: string): Promise<string | undefined> {
    try {
      const info = await (await this.#objects()).info(key);
      if (!info || info.deleted) return undefined;
      const bytes = await readBlob(this.connection.nc, await this.#manager(), info, READ_TIMEOUT_MS);
      return new TextDecoder().decode(bytes);
    } catch (error) {
      throw new LogUnavailable('log_unavailable', `a blob was not read: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async isErased({ tenant_id, run_id }: RunAddress): Promise<boolean> {
    try {
      const jsm = await this.#manager();
      const subject = erasedSubject(tenant_id, run_id);
      return (await leaderMessage(this.connection.nc, jsm, TOMBSTONES, { last_by_subj: subject })) !== null;
    } catch (error) {
      throw new LogUnavailable('log_unavailable', `tombstones cannot be read: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#gaps.clear();
  }

  #manager(): Promise<JetStreamManager> {
    this.#jsm ??= jetstreamManager(this.connection.nc, { checkAPI: false, timeout: READ_TIMEOUT_MS }).catch(
      (error: unknown) => {
        this.#jsm = undefined;
        throw error;
      },
    );
    return this.#jsm;
  }

  #objects(): Promise<ObjectStore> {
    this.#blobs ??= new Objm(this.connection.js).open('blobs').catch((error: unknown) => {
      this.#blobs = undefined;
      throw error;
    });
    return this.#blobs;
  }

  async #watchLink(): Promise<void> {
    for await (const status of this.connection.nc.status()) {
      if (this.#closed) return;
      if (status.type === 'reconnect') for (const onGap of this.#gaps) onGap();
    }
  }
}

function readAck(answer: Msg): Appended {
  const ack = answer.json<PubAck>();
  if (ack.seq !== undefined && !ack.error) return { outcome: 'stored', stream_seq: ack.seq };
  const { err_code = 0, description = 'no reason given' } = ack.error ?? {};
  if (err_code === TOO_LARGE) throw new RangeError(`the commit is larger than the log takes: ${description}`);
  if (FULL.has(err_code)) throw new LogUnavailable('log_full', `the log takes no more: ${description}`);
  return { outcome: 'unknown', cause: description };
}

function storedCommit(message: DirectMessage): StoredCommit {
  return { ...decodeCommit((name) => message.headers.get(name), message.text), stream_seq: message.seq };
}

function rawCommit({ headers, seq, data }: DirectMessage): RawCommit {
  const [first, last] = [Number(headers.get('Run-First')), Number(headers.get('Run-Last'))];
  const types = headers.get('Run-Types').split(',');
  if (!(first >= 1 && last - first + 1 === types.length))
    throw new Poison('invalid_commit', 'the headers of a commit do not fit each other');
  return { first, last, types, digest: headers.get('Run-Digest'), stream_seq: seq, payload: data };
}

/** Undefined for a message that is no commit: one of those must not keep all the others from being read. */
function scannedCommit(message: DirectMessage): { address: RunAddress; commit: StoredCommit } | undefined {
  try {
    return { address: parseRunSubject(message.subject), commit: storedCommit(message) };
  } catch (error) {
    if (error instanceof Poison) return undefined;
    throw error;
  }
}

/**
 * The broker answers requests on whatever subject it is told to, so a message on a live subject may be an answer about
 * something else: only a copy names its own subject. What the broker adds comes last.
 */
function liveCommit(message: Msg): LiveCommit {
  const header = (name: string): string => message.headers?.last(name) ?? '';
  if (`live.${header('Nats-Subject')}` !== message.subject)
    throw new Poison('invalid_subject', `no copy of a commit: ${message.subject}`);
  return {
    ...decodeCommit(header, message.string()),
    stream_seq: Number(header('Nats-Sequence')),
    previous: Number(header('Nats-Last-Sequence')),
  };
}

function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new LogUnavailable('log_unavailable', `the broker did not answer in ${ms} ms`)),
      ms,
    );
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
