/**
 * Owns: what goes into one commit of a held run. Pure but for the clock: nothing here is sent.
 */
import {
  decide,
  evolve,
  isEnded,
  number,
  type Command,
  type HeldBy,
  type Refusal,
  type Run,
  type RunEvent,
} from '@runledger/run';
import { encodeEvent } from '@runledger/wire';
import type { LoadedRun } from '../port.ts';
import type { Timing } from './timing.ts';

const MAX_BATCH_BYTES = 200 * 1024;
const CHECKPOINT_EVERY = 500;
/** Progress is refused this close to the broker's cap, so that the end always fits. */
const COMMIT_RESERVE = 100;

export interface Queued {
  command: Command;
  resolve: (refusal: Refusal | undefined) => void;
  reject: (error: Error) => void;
}

export interface Batch {
  events: RunEvent[];
  /** The events as they will be stored. */
  lines: string[];
  run: Run;
  taken: Queued[];
}

export interface BatchingOptions {
  loaded: LoadedRun;
  heldBy: HeldBy;
  maxCommits: number;
  timing: Timing;
}

export class Batching {
  /** The `seq` of the latest checkpoint. */
  #checkpointedAt: number;

  constructor(private readonly options: BatchingOptions) {
    this.#checkpointedAt = options.loaded.checkpoint === 0 ? 0 : options.loaded.run.seq;
  }

  /** Decides queued commands in order until one has nothing to append, the commit is full or the run ends. */
  take(queue: Queued[], at: LoadedRun): Batch {
    const batch: Batch = { events: [], lines: [], run: at.run, taken: [] };
    const now = this.options.timing.timestamp();
    let bytes = 0;
    while (queue.length > 0) {
      const next = queue[0] as Queued;
      const decision = this.decide(next.command, batch.run, at.commits);
      if (decision.refusal || decision.events.length === 0) break;
      const events = number(batch.run, decision.events, now);
      const lines = events.map(encodeEvent);
      const size = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
      if (size > MAX_BATCH_BYTES) {
        queue.shift();
        next.reject(
          new RangeError(`events of ${size} bytes do not fit one commit; values over 64 KiB belong in blobs`),
        );
        continue;
      }
      if (bytes + size > MAX_BATCH_BYTES) break;
      bytes += size;
      queue.shift();
      batch.taken.push(next);
      batch.events.push(...events);
      batch.lines.push(...lines);
      batch.run = events.reduce(evolve, batch.run);
    }
    this.#addCheckpoint(batch);
    return batch;
  }

  /** `commits`: how many the run has. */
  decide(command: Command, run: Run, commits: number): ReturnType<typeof decide> {
    const left = this.options.maxCommits - commits;
    const ends =
      command.type !== 'RecordProgress' || command.events.some((event) => event.type === 'limit.reached');
    if (left <= COMMIT_RESERVE && !ends)
      return {
        refusal: { code: 'limit_reached', detail: `a run has at most ${this.options.maxCommits} commits` },
      };
    return decide(command, run);
  }

  #addCheckpoint(batch: Batch): void {
    if (
      batch.events.length === 0 ||
      isEnded(batch.run) ||
      batch.run.seq - this.#checkpointedAt < CHECKPOINT_EVERY
    )
      return;
    this.#checkpointedAt = batch.run.seq;
    const decision = decide({ type: 'CheckpointRun', held_by: this.options.heldBy }, batch.run);
    if (decision.refusal) return;
    const events = number(batch.run, decision.events, this.options.timing.timestamp());
    batch.events.push(...events);
    batch.lines.push(...events.map(encodeEvent));
    batch.run = events.reduce(evolve, batch.run);
  }
}
