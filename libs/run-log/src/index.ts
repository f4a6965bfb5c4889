export type {
  Executed,
  FollowOptions,
  HeldRun,
  LoadedRun,
  PreparedStart,
  RunAddress,
  RunLog,
  StoredBytes,
  StoredLine,
  StoredLines,
  StoredRun,
} from './port.ts';
export { HoldLost, LogUnavailable, RunErased } from './faults.ts';
export { JetStreamRunLog, type JetStreamRunLogOptions } from './jetstream/jetstream-run-log.ts';
export type {
  Appended,
  CommitStore,
  LiveCommit,
  RawCommit,
  StoredCommit,
  Watch,
} from './engine/commit-store.ts';
export type { Timing } from './engine/timing.ts';
export { MemoryCommitStore } from './memory/memory-commit-store.ts';
export { MemoryRunLog } from './memory/memory-run-log.ts';
export { directPage, type DirectMessage } from './jetstream/direct-page.ts';
export { isAlone, leaderMessage, type LeaderMessage } from './jetstream/leader-message.ts';
