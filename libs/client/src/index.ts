export {
  RunledgerClient,
  type CallOptions,
  type ClientOptions,
  type VerifyOptions,
} from './runledger-client.ts';
export type { KeyCalls } from './key-calls.ts';
export type {
  ApiKey,
  ApiKeyPage,
  CreateApiKeyRequest,
  NewApiKey,
  RotateApiKeyRequest,
} from './key-shapes.ts';
export type { ScheduleCalls } from './schedule-calls.ts';
export type {
  ChangeScheduleRequest,
  CreateScheduleRequest,
  Schedule,
  SchedulePage,
  ScheduleSummary,
} from './schedule-shapes.ts';
export type { FollowOptions, Reconnect } from './follow.ts';
export type { HttpTrace, TransportOptions } from './http-transport.ts';
export {
  ApiError,
  BrokenTraceError,
  DigestMismatchError,
  reasonOf,
  UnexpectedAnswerError,
  UnreachableError,
  type FieldProblem,
  type TraceFault,
} from './errors.ts';
export { DigestChain } from './digest-chain.ts';
export { newIdempotencyKey } from './idempotency-key.ts';
export { endsRun } from './stored-event.ts';
export {
  verifyTrace,
  type TraceEvent,
  type TraceExpectation,
  type VerifiedTrace,
} from './trace/verify-trace.ts';
export { blobReferences, type BlobReference } from './trace/referenced-values.ts';
export type { VerifiedRun } from './trace/verify-against-run.ts';
export type { VerifiedEvent } from './verify.ts';
export {
  isEnded,
  type Agent,
  type ApprovalDecision,
  type ApprovalPage,
  type ControlAnswer,
  type EndStatus,
  type EventPage,
  type Health,
  type Json,
  type OpenApproval,
  type OutcomeChoice,
  type Principal,
  type RaisedLimits,
  type Run,
  type RunEvent,
  type RunFailure,
  type RunLimits,
  type RunPage,
  type RunQuery,
  type RunStatus,
  type RunSummary,
  type RunTree,
  type RunUsage,
  type SentNudge,
  type StartedRun,
  type StartRequest,
  type StopAnswer,
  type StoredEvent,
  type TreeRun,
} from './api-shapes.ts';
