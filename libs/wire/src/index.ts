export { assertId, isId, Poison, type IdKind } from './ids.ts';
export {
  admissionKey,
  agentKey,
  blobInfoSubject,
  blobName,
  blobPartsSubject,
  bucketSubject,
  ALL_DEAD,
  ALL_DUE,
  ALL_ERASED,
  ALL_RUNS,
  ALL_WORK,
  auditOf,
  auditSubject,
  deadSubject,
  dueSubject,
  erasedSubject,
  hashKey,
  holderSubject,
  liveSubject,
  ownedKey,
  ownedKeys,
  parseDueSubject,
  parseBlobPart,
  parseErasedSubject,
  parseRunSubject,
  parseWorkSubject,
  poolWork,
  queueKey,
  runBlobParts,
  runSubject,
  timerSubject,
  workSubject,
} from './subjects.ts';
export {
  buildCommit,
  chainDigest,
  decodeCommit,
  decodeEvent,
  encodeCommit,
  encodeEvent,
  MAX_COMMIT_BYTES,
  MAX_INLINE_VALUE_BYTES,
  SCHEMA,
  type Commit,
  type EncodedCommit,
} from './commit.ts';
export { DEFAULT_POOL, decodeWork, encodeWork, type WorkMessage } from './work.ts';
export { openEnv, sealEnv } from './sealed-env.ts';
export { conforms } from './conforms.ts';
export { decodeEventStrict } from './strict-event.ts';
export { decodeTombstone, encodeTombstone, tombstoneFor, type Tombstone } from './tombstone.ts';
export {
  applySlots,
  MOST_RESTATED,
  RESTATE_AFTER,
  SLOTS_HISTORY,
  SLOTS_KEY,
  type SlotsCommit,
} from './admission.ts';
export { Cron, CronFault } from './schedule/cron.ts';
export { isTimeZone } from './schedule/local-days.ts';
export {
  ALL_SCHEDULES,
  MISSED,
  nextDue,
  OVERLAP,
  parseScheduleSubject,
  scheduledRunId,
  scheduleIdFor,
  scheduleKey,
  scheduleStateKey,
  type Schedule,
  type ScheduleState,
} from './schedule/record.ts';
