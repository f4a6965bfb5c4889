import { CommitRunLog, type RunLogOptions } from '../engine/commit-run-log.ts';
import { JetStreamCommitStore, type LogConnection } from './jetstream-commit-store.ts';

export type JetStreamRunLogOptions = RunLogOptions;

/** The log on stream RUNS. The connection belongs to the caller. */
export class JetStreamRunLog extends CommitRunLog {
  constructor(connection: LogConnection, options: JetStreamRunLogOptions) {
    super(new JetStreamCommitStore(connection), options);
  }
}
