import { CommitRunLog, type RunLogOptions } from '../engine/commit-run-log.ts';
import type { CommitStore } from '../engine/commit-store.ts';
import { MemoryCommitStore } from './memory-commit-store.ts';

/** The log in memory: for simulations and specs of what stands on it. Several logs may share one store. */
export class MemoryRunLog extends CommitRunLog {
  constructor(options: RunLogOptions, store: CommitStore = new MemoryCommitStore()) {
    super(store, options);
  }
}
