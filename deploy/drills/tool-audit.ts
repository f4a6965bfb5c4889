import type { AuditedLine, AuditedRun } from './log-audit.ts';

interface Calls {
  /** The receiver had seen the key before. */
  repeated: boolean;
  /** Calls begun while an earlier beginning had no result and nobody had said what became of it. */
  unasked: boolean;
  open: boolean;
  resolved: boolean;
  done: boolean;
  /** When each answer of a model was recorded, in ms since the epoch. */
  answers: number[];
}

/** Tool calls and model answers of each run, as the log has them. Is fed by a `LogAudit`. */
export class ToolAudit {
  readonly #runs = new Map<string, Calls>();

  readonly take = (run: AuditedRun, { type, data, at }: AuditedLine): void => {
    const calls = this.#of(run.run_id);
    this.#runs.set(run.run_id, calls);
    if (type === 'tool.called') {
      if (calls.open && !calls.resolved) calls.unasked = true;
      calls.open = true;
    }
    if (type === 'outcome.resolved') calls.resolved = true;
    if (type === 'tool.returned') {
      calls.open = false;
      calls.done = data['is_error'] === false;
      calls.repeated = (data['result'] as { repeated?: boolean } | null)?.repeated === true;
    }
    if (type === 'turn.completed' || (type === 'step.completed' && data['kind'] === 'model'))
      calls.answers.push(Date.parse(at));
  };

  /** A result is recorded, and it is none of a failure. */
  done(runId: string): boolean {
    return this.#of(runId).done;
  }

  unasked(runId: string): boolean {
    return this.#of(runId).unasked;
  }

  repeated(runId: string): boolean {
    return this.#of(runId).repeated;
  }

  /** When the answer to a run's model call was recorded, counted from 0; Infinity: it was not. */
  answeredAt(runId: string, call: number): number {
    return this.#of(runId).answers[call] ?? Infinity;
  }

  #of(runId: string): Calls {
    return (
      this.#runs.get(runId) ?? {
        repeated: false,
        unasked: false,
        open: false,
        resolved: false,
        done: false,
        answers: [],
      }
    );
  }
}
