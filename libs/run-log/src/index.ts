export type {
  Executed,
  FollowOptions,
  HeldRun,
  LoadedRun,
  PreparedStart,
  RunAddress,
  RunLog,
  StoredLine,
} from './port.ts';
export { HoldLost, LogUnavailable, RunErased } from './faults.ts';
export { JetStreamRunLog, type JetStreamRunLogOptions } from './jetstream/jetstream-run-log.ts';
export { MemoryRunLog } from './memory/memory-run-log.ts';
export { directPage, type DirectMessage } from './jetstream/direct-page.ts';
