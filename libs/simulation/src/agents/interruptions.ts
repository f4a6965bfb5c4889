import type { ParkReason } from '@runledger/run';

/** The run goes on elsewhere: this process is shutting down. */
export class Handover extends Error {}

/** The run has been parked: this attempt is over. */
export class Parked extends Error {
  constructor(readonly reason: ParkReason) {
    super(`parked: ${reason}`);
  }
}

/** The run cannot go on until a person says what became of a call. */
export class OutcomeUnknown extends Error {}

/** The stop has reached the agent. */
export class AgentStopped extends Error {
  constructor(readonly boundary: string) {
    super(`stopped before ${boundary}`);
  }
}

export class AgentFailed extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly retryable = false,
  ) {
    super(message);
  }
}
