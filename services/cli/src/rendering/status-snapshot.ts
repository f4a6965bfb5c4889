import { isEnded, type Run } from '@runledger/client';
import { duration, since } from './durations.ts';
import { DASH, valueText } from './fields.ts';
import { harmless, oneLine } from './harmless.ts';

const LABEL_WIDTH = 15;
const WRAP_AT = 60;
const LONGEST_VALUE = 600;

/** `runledger status`: what a run is doing, or how it ended. */
export function statusSnapshot(run: Run, now: Date): string[] {
  const ended = isEnded(run.status);
  const lines = [
    `Run ${harmless(run.run_id)} — ${harmless(String(run.status).toUpperCase())} (${timeText(run, now)})`,
    row('Agent', agentText(run)),
    row('Channel', text(run.channel)),
    ...wrapped('Input', valueText(run.input, LONGEST_VALUE)),
    ...labels(run),
    row('Turn', `${run.usage?.turns ?? 0} / ${run.limits?.max_turns ? `~${run.limits.max_turns}` : DASH}`),
    row('Last milestone', milestoneText(run, now)),
    row('Current', ended ? 'run completed' : text(run.current)),
    row('Cost', costText(run)),
    row('Last event', text(run.last_event_at)),
    ...extra(run, now, ended),
  ];
  return lines;
}

function extra(run: Run, now: Date, ended: boolean): string[] {
  const lines: string[] = [];
  if (run.attempt > 1) lines.push(row('Attempt', String(run.attempt)));
  if (run.status === 'queued' && typeof run.queue_position === 'number')
    lines.push(row('Queue', `position ${run.queue_position}`));
  if (run.waiting_on && !ended) lines.push(row('Waiting for', harmless(run.waiting_on).replaceAll('_', ' ')));
  lines.push(...approvals(run));
  if (run.stop) lines.push(row('Stop', stopText(run.stop, now)));
  if (run.status === 'error') lines.push(...failure(run));
  if (run.status === 'success') lines.push(...wrapped('Result', valueText(run.result, LONGEST_VALUE)));
  for (const warning of run.schema_warnings ?? []) lines.push(row('Schema', oneLine(warning, LONGEST_VALUE)));
  return lines;
}

const MOST_APPROVALS = 5;

/** Each with its id, which `approve` and `deny` take. */
function approvals({ open_approvals: open = [] }: Run): string[] {
  const lines = open
    .slice(0, MOST_APPROVALS)
    .map(({ approval_id, name, args_preview }) =>
      row('Approval', `${oneLine(approval_id, 64)}: ${oneLine(`${name} ${args_preview}`, 120)}`),
    );
  return open.length > MOST_APPROVALS
    ? [...lines, row('Approval', `and ${open.length - MOST_APPROVALS} more`)]
    : lines;
}

function failure(run: Run): string[] {
  const error = run.error;
  if (!error) return [row('Reason', DASH)];
  const title = error.title || error.code;
  return [
    ...wrapped(
      'Reason',
      oneLine(`${error.category}: ${title}${error.detail ? ` — ${error.detail}` : ''}`, LONGEST_VALUE),
    ),
    ...(error.remedy ? wrapped('Remedy', oneLine(error.remedy, LONGEST_VALUE)) : []),
  ];
}

/** Ended: the authoritative duration; else the time since the start, or since the request while it is queued. */
function timeText(run: Run, now: Date): string {
  if (isEnded(run.status)) return run.duration_ms === null ? DASH : `${duration(run.duration_ms)} total`;
  const ms = since(run.started_at ?? run.created_at, now);
  return ms === null ? DASH : `${duration(ms)} elapsed`;
}

function agentText(run: Run): string {
  return run.agent_revision ? `${text(run.agent_id)} (revision ${run.agent_revision})` : text(run.agent_id);
}

function milestoneText(run: Run, now: Date): string {
  if (!run.last_milestone) return DASH;
  const ms = since(run.last_milestone.at, now);
  return `${oneLine(run.last_milestone.name, 80)} (${ms === null ? DASH : `${duration(ms)} ago`})`;
}

function costText(run: Run): string {
  const budget = run.limits?.max_cost_usd;
  const spent = dollars(run.usage?.cost_usd ?? 0);
  return budget === null || budget === undefined ? spent : `${spent} / budget ${dollars(Number(budget))}`;
}

function stopText(stop: NonNullable<Run['stop']>, now: Date): string {
  const ms = since(stop.requested_at, now);
  const when = ms === null ? '' : ` ${duration(ms)} ago`;
  return `requested${when} (${harmless(stop.mode)})${stop.reason ? `: ${oneLine(stop.reason, 200)}` : ''}`;
}

function labels(run: Run): string[] {
  const pairs = Object.entries(run.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return pairs.length > 0 ? wrapped('Labels', oneLine(pairs.join(' '), LONGEST_VALUE)) : [];
}

/** Amounts below a cent keep four decimals, or they would read as nothing. */
function dollars(amount: number): string {
  return `$${amount.toFixed(amount > 0 && amount < 0.01 ? 4 : 2)}`;
}

const text = (value: string | null | undefined): string => (value ? oneLine(value, 200) : DASH);
/** A label that fills its column is followed by one blank. */
function row(label: string, value: string): string {
  const column = `${label}:`.padEnd(LABEL_WIDTH);
  return `  ${column}${column.endsWith(':') ? ' ' : ''}${value}`;
}

function wrapped(label: string, value: string): string[] {
  const lines: string[] = [];
  for (const word of value.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WRAP_AT)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line, i) => (i === 0 ? row(label, line) : ' '.repeat(2 + LABEL_WIDTH) + line));
}
