import type { ParkReason } from '@runledger/run';

/** The run goes on elsewhere: this process is shutting down. */
export class Handover extends Error {
  readonly code = 'handover';
  constructor(readonly boundary: string) {
    super(`handed over before ${boundary}`);
    this.name = 'Handover';
  }
}

/** The run has been parked: this attempt is over, and what it waits for brings the next. */
export class Parked extends Error {
  readonly code = 'parked';
  constructor(readonly reason: ParkReason) {
    super(`parked: ${reason}`);
    this.name = 'Parked';
  }
}

/** The run cannot go on until a person says what became of a call. */
export class OutcomeUnknown extends Error {
  readonly code = 'unknown_outcome';
  constructor(
    readonly call_id: string,
    readonly tool: string,
  ) {
    super(`it is not known whether ${tool} (${call_id}) took effect`);
    this.name = 'OutcomeUnknown';
  }
}
