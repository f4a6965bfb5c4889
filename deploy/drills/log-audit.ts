import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Broker } from '@runledger/nest-jetstream';
import { directPage, type DirectMessage } from '@runledger/run-log';
import { ALL_RUNS, parseRunSubject } from '@runledger/wire';

const READ_TIMEOUT_MS = 10_000;
const ENDS = new Set(['run.succeeded', 'run.failed', 'run.stopped']);

const EFFECTS = new Set(['milestone.reached', 'log.written', 'step.completed']);

export interface Attempt {
  attempt: number;
  executor: string;
  /** From the run's last event before it to this start, in ms. */
  silence_ms: number;
  /** Whether it took the run over from an executor that was lost. */
  takeover: boolean;
}

/** What the log says of one run, found without any code of the product but the form of a subject. */
export interface AuditedRun {
  run_id: string;
  tenant_id: string;
  user_id: string;
  agent_id: string;
  /** The drill's own name for the start that made it. */
  start: string;
  idempotency: string;
  last_seq: number;
  digest: string;
  end: string | undefined;
  error: unknown;
  attempts: Attempt[];
  lost: number;
  /** An attempt has begun and was neither parked nor lost. */
  held: boolean;
}

export interface AuditedLine {
  seq: number;
  attempt: number;
  type: string;
  at: string;
  data: Record<string, unknown>;
}

/** `order`: the stream sequence of the line's commit. */
export type OnLine = (run: AuditedRun, line: AuditedLine, order: number) => void;

/** The name of a stored line in a journal. */
export const lineName = (runId: string, seq: number, line: string): string =>
  `${runId}#${seq}:${createHash('sha1').update(line).digest('base64url').slice(0, 12)}`;

/**
 * Reads the whole stream RUNS as an outsider, commit by commit, and keeps what no later commit may contradict. May be
 * asked again and again; each time it goes on where it was.
 */
export class LogAudit {
  readonly runs = new Map<string, AuditedRun>();
  /** Every stored line by its journal name. */
  readonly lines: string[] = [];
  /** What must never be there, in words. */
  readonly faults: string[] = [];
  /** Messages that are no commit. */
  junk = 0;
  /** When the broker stored each commit, in ms since the epoch. */
  readonly storedAt: number[] = [];
  /** Reports and steps that a run has twice under different numbers: by what an agent does, each has one index. */
  readonly repeatedEffects: string[] = [];
  /** The most runs of one user that ran at once, by user. */
  readonly mostRunning = new Map<string, number>();
  readonly #running = new Map<string, Set<string>>();
  readonly #commitIds = new Set<string>();
  readonly #lastAt = new Map<string, number>();
  readonly #effects = new Set<string>();
  readonly #broker: Pick<Broker, 'nc' | 'jsm'>;
  readonly #onLine: OnLine | undefined;
  #next = 1;
  #reading: Promise<unknown> = Promise.resolve();

  /** `onLine` is given every line once, in the order of the stream. */
  constructor(broker: Pick<Broker, 'nc' | 'jsm'>, onLine?: OnLine) {
    this.#broker = broker;
    this.#onLine = onLine;
  }

  /** Reads up to what the leader has now. Throws when the broker does not answer. */
  read(): Promise<this> {
    // One after the other: two readers at once would each take the same commits.
    const reading = this.#reading.then(
      () => this.#read(),
      () => this.#read(),
    );
    this.#reading = reading;
    return reading;
  }

  async #read(): Promise<this> {
    const jsm = await this.#broker.jsm();
    const until = (await jsm.streams.info('RUNS')).state.last_seq;
    for (let empty = 0; this.#next <= until;) {
      const page = await directPage(
        this.#broker.nc,
        'RUNS',
        { seq: this.#next, next_by_subj: ALL_RUNS },
        READ_TIMEOUT_MS,
      );
      for (const message of page) this.#take(message);
      empty = page.length === 0 ? empty + 1 : 0;
      if (empty > 100) throw new Error(`the log cannot be read from ${this.#next} to ${until}`);
      if (empty > 0) await pause(50);
    }
    return this;
  }

  get commits(): number {
    return this.storedAt.length;
  }

  get events(): number {
    return this.lines.length;
  }

  /** How many attempts all runs have begun together. */
  get attempts(): number {
    return this.executors.length;
  }

  /** Who began each attempt of every run. */
  get executors(): string[] {
    return [...this.runs.values()].flatMap((run) => run.attempts.map((one) => one.executor));
  }

  /** The longest time in which the broker stored nothing, between two moments on the clock, in ms. */
  longestSilence(from: number, until: number): number {
    const within = this.storedAt.filter((at) => at >= from && at <= until);
    const all = [from, ...within, until];
    return Math.max(0, ...all.slice(1).map((at, index) => at - (all[index] ?? at)));
  }

  hasCommit(id: string): boolean {
    return this.#commitIds.has(id);
  }

  unended(): AuditedRun[] {
    return [...this.runs.values()].filter((run) => run.end === undefined);
  }

  ended(end: string): AuditedRun[] {
    return [...this.runs.values()].filter((run) => run.end === end);
  }

  #take(message: DirectMessage): void {
    this.#next = message.seq + 1;
    const commitId = message.headers.get('Run-Commit');
    if (commitId === '') return void (this.junk += 1);
    this.storedAt.push(Date.parse(message.headers.get('Nats-Time-Stamp')));
    if (this.#commitIds.has(commitId)) this.faults.push(`commit ${commitId} is stored twice`);
    this.#commitIds.add(commitId);
    const { tenant_id, run_id } = parseRunSubject(message.subject);
    const run = this.runs.get(run_id) ?? newRun(tenant_id, run_id);
    this.runs.set(run_id, run);
    for (const text of message.text.trimEnd().split('\n')) this.#takeLine(run, text, message.seq);
    if (run.digest !== message.headers.get('Run-Digest'))
      this.faults.push(`${run_id}#${run.last_seq} does not have the digest of its commit`);
  }

  #takeLine(run: AuditedRun, text: string, order: number): void {
    const line = JSON.parse(text) as AuditedLine;
    const where = `${run.run_id}#${line.seq}`;
    if (line.seq !== run.last_seq + 1) this.faults.push(`${where} comes after ${run.last_seq}`);
    if (run.end !== undefined) this.faults.push(`${where} ${line.type} comes after the end`);
    this.lines.push(lineName(run.run_id, line.seq, text));
    run.last_seq = line.seq;
    run.digest = createHash('sha256').update(run.digest).update(text).digest('hex');
    this.#note(run, line);
    this.#onLine?.(run, line, order);
    // It is found lost in the commit of its next start: what is measured is the silence before both.
    if (line.type !== 'attempt.lost') this.#lastAt.set(run.run_id, Date.parse(line.at));
  }

  #note(run: AuditedRun, { type, data, at }: AuditedLine): void {
    if (type === 'run.requested') {
      const labels = data['labels'] as Record<string, string> | undefined;
      run.user_id = String(data['user_id']);
      run.agent_id = String(data['agent_id']);
      run.start = labels?.['drill'] ?? '';
      run.idempotency = (data['idempotency_key_sha256'] as string | undefined) ?? '';
    }
    if (EFFECTS.has(type)) this.#noteEffect(`${run.run_id} ${type} ${String(data['index'])}`);
    if (type === 'attempt.lost') {
      run.lost += 1;
      run.held = false;
    }
    if (type === 'run.started') this.#noteStart(run, data, at);
    if (type === 'run.parked' || ENDS.has(type)) {
      run.held = false;
      this.#slots(run).delete(run.run_id);
    }
    if (ENDS.has(type)) run.end = type;
    if (type === 'run.failed') run.error = data['error'];
  }

  #noteEffect(name: string): void {
    if (this.#effects.has(name)) this.repeatedEffects.push(name);
    this.#effects.add(name);
  }

  #noteStart(run: AuditedRun, data: Record<string, unknown>, at: string): void {
    const attempt = Number(data['attempt']);
    if (run.attempts.some((one) => one.attempt === attempt))
      this.faults.push(`${run.run_id} has begun attempt ${attempt} twice`);
    if (run.held) this.faults.push(`${run.run_id} has begun attempt ${attempt} while it ran`);
    run.held = true;
    run.attempts.push({
      attempt,
      executor: String(data['executor']),
      silence_ms: Date.parse(at) - (this.#lastAt.get(run.run_id) ?? Date.parse(at)),
      takeover: run.lost > run.attempts.filter((one) => one.takeover).length,
    });
    const slots = this.#slots(run).add(run.run_id);
    const user = `${run.tenant_id}.${run.user_id}`;
    this.mostRunning.set(user, Math.max(slots.size, this.mostRunning.get(user) ?? 0));
  }

  #slots(run: AuditedRun): Set<string> {
    const user = `${run.tenant_id}.${run.user_id}`;
    const slots = this.#running.get(user) ?? new Set();
    this.#running.set(user, slots);
    return slots;
  }
}

function newRun(tenant_id: string, run_id: string): AuditedRun {
  return {
    run_id,
    tenant_id,
    user_id: '',
    agent_id: '',
    start: '',
    idempotency: '',
    last_seq: 0,
    digest: '',
    end: undefined,
    error: undefined,
    attempts: [],
    lost: 0,
    held: false,
  };
}
