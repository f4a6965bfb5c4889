import {
  MemoryCommitStore,
  type Appended,
  type PreparedStart,
  type RunAddress,
  type StoredCommit,
} from '@runledger/run-log';
import { emptyRun, evolve, type Run } from '@runledger/run';
import { decodeEvent, type EncodedCommit } from '@runledger/wire';
import type { Sabotage } from '../sabotage.ts';
import { Spans } from '../spans.ts';
import { Durable, type DurableParts } from './durable.ts';
import { KeyValue } from './key-value.ts';
import { WorkQueue } from './work-queue.ts';

export interface RunCommit {
  address: RunAddress;
  commit: StoredCommit;
}

export interface DueTimer {
  address: RunAddress;
  kind: 'retry' | 'approval' | 'deadline';
  timer_id: string;
}

export interface AdmissionEntry {
  run_id: string;
  tenant_id: string;
  user_id: string;
  root_run_id: string;
  since: string;
  state: 'queued' | 'granted';
  dispatch: number;
}

/** The broker: its streams, durables and buckets. It is the one part of a life that never dies, only goes away for a while. */
export class SimulatedBroker {
  readonly runs = new MemoryCommitStore();
  readonly schedulerRuns: Durable<RunCommit>;
  readonly views: Durable<RunCommit>;
  readonly due: Durable<DueTimer>;
  readonly work: WorkQueue;
  readonly admission = new KeyValue<AdmissionEntry>();
  readonly reservations = new KeyValue<PreparedStart>();
  /** Every run as its log has it, for those who only look on. */
  readonly states = new Map<string, Run>();
  /** When each commit was stored, by stream sequence. */
  readonly storedAt = new Map<number, number>();
  readonly outages = new Spans();
  #timers = new Map<string, () => void>();
  #fired = 0;
  #awayUntil = -1;

  constructor(
    private readonly parts: DurableParts,
    private readonly sabotage: Sabotage | undefined,
  ) {
    this.schedulerRuns = new Durable(parts, 10_000);
    this.views = new Durable(parts, 30_000);
    this.due = new Durable(parts, 30_000);
    this.work = new WorkQueue(parts);
  }

  get isReachable(): boolean {
    return this.parts.time.now >= this.#awayUntil;
  }

  goAway(ms: number): void {
    this.#awayUntil = this.parts.time.now + ms;
    this.outages.end(this.parts.time.now);
    this.outages.begin(this.parts.time.now);
    this.outages.end(this.#awayUntil);
  }

  comeBack(): void {
    this.#awayUntil = Math.min(this.#awayUntil, this.parts.time.now);
  }

  async append(address: RunAddress, encoded: EncodedCommit, expectation: number): Promise<Appended> {
    const expected =
      this.sabotage === 'no_fence' ? ((await this.runs.last(address))?.stream_seq ?? 0) : expectation;
    const answer = await this.runs.append(address, encoded, expected);
    if (answer.outcome !== 'stored') return answer;
    const { stream_seq } = answer;
    this.storedAt.set(stream_seq, this.parts.time.now);
    const commit = await this.runs.next(address, stream_seq - 1);
    if (!commit) throw new Error('what was stored is not there');
    this.#fold(address, commit);
    this.schedulerRuns.add(stream_seq, { address, commit });
    this.views.add(stream_seq, { address, commit });
    return answer;
  }

  #fold({ run_id }: RunAddress, commit: StoredCommit): void {
    const events = commit.lines.map(decodeEvent);
    this.states.set(run_id, events.reduce(evolve, this.states.get(run_id) ?? emptyRun(run_id)));
  }

  /** Setting a timer again replaces it; what is past already fires at once. */
  setTimer(timer: DueTimer, dueInMs: number): void {
    const key = `${timer.kind}.${timer.address.run_id}.${timer.timer_id}`;
    this.#timers.get(key)?.();
    const cancel = this.parts.time.after(dueInMs, () => {
      this.#timers.delete(key);
      this.due.add((this.#fired += 1), timer);
    });
    this.#timers.set(key, cancel);
  }

  /** No message is left that anybody would still have to handle. */
  get isIdle(): boolean {
    return (
      this.schedulerRuns.size === 0 &&
      this.views.size === 0 &&
      this.due.size === 0 &&
      this.work.durable.size === 0
    );
  }
}
