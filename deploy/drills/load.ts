import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type Json, newIdempotencyKey, reasonOf, type RunledgerClient } from '@runledger/client';
import { Journal, waitFor } from '@runledger/testkit';
import type { Cell } from './cell.ts';
import { lineName } from './log-audit.ts';

export interface Job {
  agent_id: string;
  input: Json;
  limits?: { max_cost_usd: number };
}

/** What people run: mostly something that takes its time, some that write fast, a few models and programs. */
export const MIX: readonly Job[] = [
  { agent_id: 'ticker', input: { count: 40, every_ms: 200 } },
  { agent_id: 'ticker', input: { count: 60, every_ms: 100 } },
  { agent_id: 'burst', input: { count: 200, bytes: 300 } },
  { agent_id: 'ticker', input: { count: 20, every_ms: 400 } },
  { agent_id: 'hello', input: { message: 'drill' } },
  { agent_id: 'ticker', input: { count: 80, every_ms: 100 } },
  { agent_id: 'burst', input: { count: 500, bytes: 100 } },
  { agent_id: 'ticker', input: { count: 30, every_ms: 300 } },
  { agent_id: 'ticker', input: { count: 50, every_ms: 150 } },
  { agent_id: 'hello-code', input: { message: 'drill' } },
];

/** A start is repeated with its key for this long. */
const PATIENCE_MS = 120_000;

/**
 * People at work: they start runs, repeat a start until it is answered, and watch some of the runs. Everything that was
 * acknowledged to them is in the journals, which know nothing of the system.
 */
export class Load {
  /** By the drill's own name of each start. */
  readonly starts = new Journal();
  /** Every line that an observer has seen, by `lineName`. */
  readonly seen = new Journal();
  /** Run id by start. */
  readonly runs = new Map<string, string>();
  /** What observers saw that must not be: a hole, a repeat, a stream that broke with an error that is none of theirs. */
  readonly troubles: string[] = [];
  /** Answers to starts that were neither a success nor a 503: by status. */
  readonly refused: string[] = [];
  readonly #observers: Promise<void>[] = [];
  readonly #clients: RunledgerClient[];
  readonly #name = randomUUID().slice(0, 8);
  readonly #over = new AbortController();
  #count = 0;

  private constructor(clients: RunledgerClient[]) {
    this.#clients = clients;
  }

  static async on(cell: Cell, user = 'dev'): Promise<Load> {
    return new Load(await Promise.all(cell.urls.map((url) => cell.client(url, user))));
  }

  /** Starts one run and, when told so, watches it to its end. Answers the run id; throws when nobody takes the start. */
  async start(job: Job, watch = false): Promise<string> {
    const count = (this.#count += 1);
    const start = `${this.#name}-${count}`;
    const idempotencyKey = newIdempotencyKey();
    this.starts.attempted(start);
    const end = performance.now() + PATIENCE_MS;
    for (let attempt = 0; ; attempt += 1) {
      const client = this.#client(count + attempt);
      try {
        const { run_id } = await client.start({ ...job, labels: { drill: start } }, { idempotencyKey });
        this.starts.acknowledged(start);
        this.runs.set(start, run_id);
        if (watch) this.watch(run_id);
        return run_id;
      } catch (error) {
        const status = (error as { status?: number }).status ?? 0;
        if (status >= 400 && status < 500) this.refused.push(`${status} ${reasonOf(error)}`);
        if (performance.now() > end || this.#over.signal.aborted) throw error;
        await pause(200);
      }
    }
  }

  /** Follows a run from its first event to its last, over as many connections as it takes. */
  watch(runId: string): void {
    const client = this.#client(this.#observers.length);
    this.#observers.push(
      this.#observe(client, runId).catch((error: unknown) => {
        if (!this.#over.signal.aborted) this.troubles.push(`${runId}: ${reasonOf(error)}`);
      }),
    );
  }

  get watched(): number {
    return this.#observers.length;
  }

  /** Resolves when every observer has seen the last event of its run; ends those that have not after `ms`. */
  async observersDone(ms: number): Promise<void> {
    const late = new AbortController();
    const timer = pause(ms, undefined, { signal: late.signal }).then(
      () => {
        this.troubles.push(`observers still waited after ${ms} ms`);
        this.#over.abort();
      },
      () => undefined,
    );
    await Promise.race([Promise.all(this.#observers), timer]);
    late.abort();
    await timer;
  }

  /** Ends everything that waits. */
  stop(): void {
    this.#over.abort(new Error('the drill is over'));
  }

  async #observe(client: RunledgerClient, runId: string): Promise<void> {
    let last = 0;
    const options = { signal: this.#over.signal, reconnectMs: { first: 200, cap: 2_000 } };
    for await (const { seq, line } of client.follow(runId, options)) {
      if (seq !== last + 1) this.troubles.push(`${runId}: ${seq} was sent after ${last}`);
      last = seq;
      const name = lineName(runId, seq, line);
      this.seen.attempted(name);
      this.seen.acknowledged(name);
    }
  }

  #client(index: number): RunledgerClient {
    const client = this.#clients[index % this.#clients.length];
    if (client === undefined) throw new Error('the cell has no gateway');
    return client;
  }
}

/** Keeps `most` runs in flight, every so many of them watched, until it is stopped. */
export class Pressure {
  readonly #load: Load;
  readonly #most: number;
  readonly #unended: () => Promise<ReadonlySet<string>>;
  readonly #jobs: readonly Job[];
  readonly #watchEvery: number;
  readonly #ids: string[] = [];
  #on = true;
  #loop: Promise<void> = Promise.resolve();
  #flying = 0;

  /** `unended` answers which of the started runs have not ended, as the log says. */
  constructor(
    load: Load,
    most: number,
    unended: () => Promise<ReadonlySet<string>>,
    { jobs = MIX, watchEvery = 4 }: { jobs?: readonly Job[]; watchEvery?: number } = {},
  ) {
    this.#load = load;
    this.#watchEvery = watchEvery;
    this.#most = most;
    this.#unended = unended;
    this.#jobs = jobs;
  }

  /** Resolves when all of them are in flight. */
  async begin(): Promise<void> {
    await this.#fill(this.#most);
    this.#loop = this.#keepUp();
  }

  /** Resolves with their number when at least so many are in flight. */
  atLeast(runs: number): Promise<number> {
    return waitFor(() => (this.#flying >= runs ? this.#flying : undefined), {
      timeoutMs: 60_000,
      describe: () => `${runs} runs to be in flight; ${this.#flying} are`,
    });
  }

  async stop(): Promise<void> {
    this.#on = false;
    await this.#loop;
  }

  async #keepUp(): Promise<void> {
    while (this.#on) {
      await pause(300);
      const unended = await this.#unended().catch(() => undefined);
      if (unended === undefined || !this.#on) continue;
      this.#flying = this.#ids.filter((id) => unended.has(id)).length;
      await this.#fill(this.#most - this.#flying);
    }
  }

  async #fill(runs: number): Promise<void> {
    const started = Array.from({ length: Math.max(0, runs) }, (_, index) => {
      const job = this.#jobs[(this.#ids.length + index) % this.#jobs.length];
      if (job === undefined) throw new Error('there is no job');
      return this.#load.start(job, (this.#ids.length + index) % this.#watchEvery === 0);
    });
    const done = await Promise.allSettled(started);
    for (const one of done) if (one.status === 'fulfilled') this.#ids.push(one.value);
  }
}
