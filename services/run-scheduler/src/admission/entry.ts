/** One run in bucket `admission`: it waits for a slot, or has one. */
export interface AdmissionEntry {
  run_id: string;
  user_id: string;
  agent_id: string;
  root_run_id: string;
  priority: number;
  /** When it began to wait: milliseconds since the epoch, from the log's `at`. Only an order, never a deadline. */
  since: number;
  state: 'queued' | 'granted';
  /** The grant that this entry asks for or stands for. */
  dispatch: number;
}

export interface AdmissionLimits {
  rootRunsPerUser: number;
  childrenPerRoot: number;
}

/** The group of runs that share a limit: a user's root runs, or the children under one root. */
export const groupOf = (entry: AdmissionEntry): string =>
  entry.root_run_id === entry.run_id ? `user ${entry.user_id}` : `root ${entry.root_run_id}`;

/** Who is granted first: what has run before, then priority, then age. */
export function byTurn(a: AdmissionEntry, b: AdmissionEntry): number {
  const startedBefore = Number(b.dispatch > 1) - Number(a.dispatch > 1);
  if (startedBefore !== 0) return startedBefore;
  if (a.priority !== b.priority) return b.priority - a.priority;
  if (a.since !== b.since) return a.since - b.since;
  return a.run_id < b.run_id ? -1 : 1;
}

/** The queued entries that may be granted now, in order. */
export function grantable(entries: Iterable<AdmissionEntry>, limits: AdmissionLimits): AdmissionEntry[] {
  const free = new Map<string, number>();
  const queued: AdmissionEntry[] = [];
  for (const entry of entries) {
    const group = groupOf(entry);
    const limit = group.startsWith('user ') ? limits.rootRunsPerUser : limits.childrenPerRoot;
    const left = free.get(group) ?? limit;
    free.set(group, entry.state === 'granted' ? left - 1 : left);
    if (entry.state === 'queued') queued.push(entry);
  }
  return queued.sort(byTurn).filter((entry) => {
    const left = free.get(groupOf(entry)) ?? 0;
    free.set(groupOf(entry), left - 1);
    return left > 0;
  });
}

/** Run ids of each user's queue in the order of their turn. */
export function queues(entries: Iterable<AdmissionEntry>): Map<string, string[]> {
  const waiting = [...entries].filter((entry) => entry.state === 'queued').sort(byTurn);
  const result = new Map<string, string[]>();
  for (const entry of waiting)
    result.set(entry.user_id, [...(result.get(entry.user_id) ?? []), entry.run_id]);
  return result;
}
