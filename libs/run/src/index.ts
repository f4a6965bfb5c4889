export {
  STATUSES,
  END_EVENTS,
  type Actor,
  type AnyEvent,
  type Channel,
  type DraftEvent,
  type EndStatus,
  type Envelope,
  type EventData,
  type EventOf,
  type EventType,
  type InFlight,
  type Json,
  type Limits,
  type ParkReason,
  type RunError,
  type RunEvent,
  type Status,
  type StepKind,
  type StopMode,
  type TimerRef,
  type Usage,
} from './events.ts';
export type { Child, Holder, OpenCall, Run } from './run.ts';
export {
  REFUSALS,
  type Command,
  type CommandType,
  type Decision,
  type HeldBy,
  type Reaction,
  type Refusal,
  type RefusalCode,
} from './commands.ts';
export { absentChild } from './absent-child.ts';
export { checkpoint, restore, RUN_STATE_VERSION } from './checkpoint.ts';
export { decide } from './decide.ts';
export { emptyRun } from './empty-run.ts';
export { childErased, endAtLogCap, executorLost, timedOut, MAX_LOST_IN_A_ROW } from './end-errors.ts';
export { evolve } from './evolve.ts';
export { number } from './number.ts';
export { holds, isEnded, isEndType, liveChildren, stillWaitsFor } from './predicates.ts';
export { react } from './react.ts';
