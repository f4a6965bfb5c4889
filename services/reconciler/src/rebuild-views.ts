import type { RunAddress, RunLog } from '@runledger/run-log';
import type { ViewStore } from '@runledger/view-store';
import { decodeEvent } from '@runledger/wire';
import { ViewProjector, type FoldableCommit } from './views/projector.ts';

export interface Rebuilt {
  runs: number;
  commits: number;
  events: number;
  duration_ms: number;
}

export interface RebuildOptions {
  /** Leave out what the views hold already, instead of dropping every view first. */
  keep?: boolean;
  signal?: AbortSignal;
}

/** Commits that are read before their runs' views are written: so that a run is written once, not once per commit. */
const CHUNK = 2_000;

/** Makes every view from the log. Others may write views meanwhile; nothing that is stored is taken back. */
export async function rebuildViews(
  parts: { runLog: Pick<RunLog, 'scan' | 'page' | 'isErased'>; store: ViewStore },
  options: RebuildOptions = {},
): Promise<Rebuilt> {
  const start = performance.now();
  const commits = parts.runLog.scan()[Symbol.asyncIterator]();
  // Views are dropped only once the log has shown that it can be read.
  let next = await commits.next();
  if (!options.keep) await parts.store.clear();
  const projector = new ViewProjector(parts.runLog, parts.store);
  const runs = new Set<string>();
  const totals = { commits: 0, events: 0 };
  let chunk = new Chunk();
  for (; !next.done; next = await commits.next()) {
    options.signal?.throwIfAborted();
    const { address, lines, first, last, digest } = next.value;
    runs.add(address.run_id);
    totals.commits += 1;
    totals.events += lines.length;
    chunk.add(address, { first, last, digest, events: lines.map(({ line }) => decodeEvent(line)) });
    if (chunk.size < CHUNK) continue;
    await chunk.write(projector);
    chunk = new Chunk();
  }
  await chunk.write(projector);
  await parts.store.markRebuilt();
  return { runs: runs.size, ...totals, duration_ms: Math.round(performance.now() - start) };
}

class Chunk {
  size = 0;
  readonly #runs = new Map<string, { address: RunAddress; commits: FoldableCommit[] }>();

  add(address: RunAddress, commit: FoldableCommit): void {
    const key = `${address.tenant_id}.${address.run_id}`;
    const run = this.#runs.get(key) ?? { address, commits: [] };
    run.commits.push(commit);
    this.#runs.set(key, run);
    this.size += 1;
  }

  async write(projector: ViewProjector): Promise<void> {
    await Promise.all(
      [...this.#runs.values()].map(({ address, commits }) => projector.advance(address, commits)),
    );
  }
}
