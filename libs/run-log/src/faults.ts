/** The log cannot take, confirm or serve something now. A Fault: it may work later. */
export class LogUnavailable extends Error {
  readonly kind = 'fault';
  constructor(
    readonly code: 'log_unavailable' | 'log_full' | 'outcome_unknown' | 'too_much_contention',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'LogUnavailable';
  }
}

/** This process is no longer the run's writer: the run ended, or another executor's `run.started` landed. */
export class HoldLost extends Error {
  constructor(
    readonly cause_code: 'ended' | 'taken_over' | 'released',
    message: string,
  ) {
    super(message);
    this.name = 'HoldLost';
  }
}

/** The run was erased, or is being erased: nothing of it can be read, and it can never be started again. */
export class RunErased extends Error {
  readonly kind = 'refusal';
  readonly code = 'run_erased';
  constructor(readonly run_id: string) {
    super(`run ${run_id} was erased`);
    this.name = 'RunErased';
  }
}
