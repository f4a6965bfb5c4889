import type { Run } from '@runledger/client';
import { harmless, oneLine } from './harmless.ts';

/** How a run ended, for stderr: its status, and for a failure what kind it was. */
export function endLines(run: Run): string[] {
  const lines = [`Run ${harmless(run.run_id)} ${harmless(run.status)}.`];
  if (run.status !== 'error' || !run.error) return lines;
  const { category, title, code, detail } = run.error;
  const first = detail.split('\n')[0] ?? '';
  lines.push(oneLine(`${category}: ${title || code}${first ? ` — ${first}` : ''}`, 400));
  return lines;
}

/** The same when only the events say so, because the run could not be read any more. */
export function inferredEndLine(runId: string, status: string): string {
  return `Run ${harmless(runId)} ${harmless(status)}. (inferred)`;
}
