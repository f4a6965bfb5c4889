import type { AuditedLine, AuditedRun } from './log-audit.ts';

/** Whether anything of an attempt is in the log behind the start of the next. Is fed by a `LogAudit`. */
export class EpochAudit {
  /** Events of an attempt that was over, in words. */
  readonly stale: string[] = [];
  /** Idempotency keys of the calls that were begun, in order. */
  readonly calls: string[] = [];
  readonly #attempts = new Map<string, number>();

  readonly take = ({ run_id }: AuditedRun, { seq, type, attempt, data }: AuditedLine): void => {
    const current = this.#attempts.get(run_id) ?? 0;
    if (attempt < current) this.stale.push(`${run_id}#${seq} ${type} of attempt ${attempt}`);
    if (type === 'run.started') this.#attempts.set(run_id, Number(data['attempt']));
    if (type === 'tool.called') this.calls.push(`${run_id}/${String(data['call_id'])}`);
  };
}
