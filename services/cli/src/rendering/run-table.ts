import { isEnded, type RunSummary } from '@runledger/client';
import { duration, since } from './durations.ts';
import { DASH } from './fields.ts';
import { oneLine } from './harmless.ts';

/** Rows under their headings, columns as wide as their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** `runledger list`. A run that has not ended shows the time it has taken so far. */
export function runTable(runs: readonly RunSummary[], now: Date): string[] {
  return table(
    ['RUN ID', 'STATUS', 'AGENT', 'STARTED', 'DURATION'],
    runs.map((run) => [
      oneLine(run.run_id, 64),
      oneLine(run.status, 20),
      oneLine(run.agent_id, 64),
      started(run.started_at),
      took(run, now),
    ]),
  );
}

function started(iso: string | null): string {
  const at = iso ? new Date(iso) : null;
  if (at === null || Number.isNaN(at.getTime())) return DASH;
  return at.toISOString().replace(/\.\d+Z$/, 'Z');
}

function took(run: RunSummary, now: Date): string {
  if (isEnded(run.status)) return run.duration_ms === null ? DASH : duration(run.duration_ms);
  const ms = since(run.started_at, now);
  return ms === null ? DASH : duration(ms);
}
