import { emptyRun, evolve, restore, type Run } from '@runledger/run';
import { decodeEvent, type Commit } from '@runledger/wire';
import { LogUnavailable } from '../faults.ts';
import type { LoadedRun, RunAddress, StoredLine } from '../port.ts';
import type { CommitStore, StoredCommit } from './commit-store.ts';
import { linesOf } from './feed.ts';
import type { Timing } from './timing.ts';

const CHECKPOINT = 'run.checkpointed';

/** The run as of the leader's last commit: its checkpoint and what came after, or everything. */
export async function loadRun(store: CommitStore, address: RunAddress, timing: Timing): Promise<LoadedRun> {
  const as_of = timing.now();
  const last = await store.last(address);
  if (!last)
    return { run: emptyRun(address.run_id), digest: '', stream_seq: 0, checkpoint: 0, commits: 0, as_of };
  const restored = await fromCheckpoint(store, address, last);
  const { run, lines } = restored ? { run: restored } : await fromBeginning(store, address, last);
  if (run.seq !== last.last)
    throw new LogUnavailable(
      'log_unavailable',
      `run ${address.run_id} was read up to ${run.seq} of ${last.last}`,
    );
  return { run, ...positionOf(last), as_of, ...(lines ? { lines } : {}) };
}

/** The same run with what others appended since, or read anew where that does not follow on it: few commits beside many. */
export async function readOn(
  store: CommitStore,
  address: RunAddress,
  { from, timing }: { from: LoadedRun; timing: Timing },
): Promise<LoadedRun> {
  const as_of = timing.now();
  const last = await store.last(address);
  if (!last || last.first <= from.run.seq) return loadRun(store, address, timing);
  let { run } = from;
  const lines = from.lines && [...from.lines];
  const missed = last.first === run.seq + 1 ? [last] : commits(store, address, from.stream_seq + 1, last);
  for await (const commit of missed) {
    if (commit.first !== run.seq + 1) return loadRun(store, address, timing);
    run = foldCommit(run, commit);
    lines?.push(...linesOf(commit));
  }
  return { run, ...positionOf(last), as_of, ...(lines ? { lines } : {}) };
}

/** Where a writer stands after this commit. */
export function positionOf(commit: StoredCommit): Omit<LoadedRun, 'run' | 'lines' | 'as_of'> {
  return {
    digest: commit.digest,
    stream_seq: commit.stream_seq,
    checkpoint: commit.types.includes(CHECKPOINT) ? commit.stream_seq : commit.checkpoint,
    commits: commit.number,
  };
}

async function fromCheckpoint(
  store: CommitStore,
  address: RunAddress,
  last: StoredCommit,
): Promise<Run | undefined> {
  const from = positionOf(last).checkpoint;
  if (from === 0) return undefined;
  let run: Run | undefined;
  for await (const commit of commits(store, address, from, last)) {
    run = run ? foldCommit(run, commit) : restoreFrom(commit);
    if (!run) return undefined;
  }
  return run;
}

async function fromBeginning(
  store: CommitStore,
  address: RunAddress,
  last: StoredCommit,
): Promise<{ run: Run; lines?: StoredLine[] }> {
  let run = emptyRun(address.run_id);
  const lines: StoredLine[] = [];
  for await (const commit of commits(store, address, 1, last)) {
    run = foldCommit(run, commit);
    lines.push(...linesOf(commit));
  }
  return { run, lines };
}

async function* commits(
  store: CommitStore,
  address: RunAddress,
  from: number,
  last: StoredCommit,
): AsyncIterable<StoredCommit> {
  if (last.first > 1 && from < last.stream_seq)
    for await (const commit of store.range(address, from, last.stream_seq - 1)) {
      yield commit;
      // Nothing lies between this one and the last: the store need not look for more.
      if (commit.last + 1 === last.first) break;
    }
  yield last;
}

function restoreFrom(commit: Commit): Run | undefined {
  const at = commit.types.indexOf(CHECKPOINT);
  const line = commit.lines[at];
  if (line === undefined) return undefined;
  const event = decodeEvent(line);
  const { state, version } = event.data as { state: unknown; version: number };
  const restored = restore(state, version);
  if (!restored) return undefined;
  let run = evolve({ ...restored, seq: event.seq - 1 }, event);
  for (const later of commit.lines.slice(at + 1)) run = evolve(run, decodeEvent(later));
  return run;
}

export function foldCommit(run: Run, commit: Commit): Run {
  if (commit.first !== run.seq + 1)
    throw new LogUnavailable(
      'log_unavailable',
      `run ${run.run_id}: commit ${commit.first} follows event ${run.seq}`,
    );
  return commit.lines.reduce((state, line) => evolve(state, decodeEvent(line)), run);
}
