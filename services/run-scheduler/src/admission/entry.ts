/** One run in bucket `admission`: it waits for a slot (key `<tenant>.<run>`), or has one (stated under key `slots`). */
export interface AdmissionEntry {
  tenant_id: string;
  run_id: string;
  user_id: string;
  agent_id: string;
  root_run_id: string;
  priority: number;
  /** When it began to wait: milliseconds since the epoch, from the log's `at`. Only an order, never a deadline. */
  since: number;
  /** The grant that this entry asks for or stands for. */
  dispatch: number;
  /** Value of the run's label `concurrency_key`: runs of the tenant with the same value share a limit. */
  key?: string;
  /** Value of the label that the agent names in `concurrency.key_label`: its runs with the same value share a limit. */
  agent_key?: string;
}

export const isRoot = (entry: AdmissionEntry): boolean => entry.root_run_id === entry.run_id;

/** Who is granted first among one user's runs: what has run before, then priority, then age. */
export function byTurn(a: AdmissionEntry, b: AdmissionEntry): number {
  const startedBefore = Number(b.dispatch > 1) - Number(a.dispatch > 1);
  if (startedBefore !== 0) return startedBefore;
  if (a.priority !== b.priority) return b.priority - a.priority;
  if (a.since !== b.since) return a.since - b.since;
  if (a.run_id === b.run_id) return 0;
  return a.run_id < b.run_id ? -1 : 1;
}
