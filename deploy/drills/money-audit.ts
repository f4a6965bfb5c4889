import type { AuditedLine, AuditedRun } from './log-audit.ts';

/** What the log says of money, by tree. Is fed by a `LogAudit`. */
export class MoneyAudit {
  /** Millionths of a dollar in recorded answers, by root. */
  readonly spent = new Map<string, number>();
  readonly #rootOf = new Map<string, string>();

  readonly take = ({ run_id }: AuditedRun, { type, data }: AuditedLine): void => {
    if (type === 'run.requested') this.#rootOf.set(run_id, String(data['root_run_id']));
    if (type !== 'turn.completed' && !(type === 'step.completed' && data['kind'] === 'model')) return;
    const { cost_usd } = data['usage'] as { cost_usd: string };
    const root = this.rootOf(run_id);
    this.spent.set(root, (this.spent.get(root) ?? 0) + Math.round(Number(cost_usd) * 1_000_000));
  };

  rootOf(runId: string): string {
    return this.#rootOf.get(runId) ?? runId;
  }
}
